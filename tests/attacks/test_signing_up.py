"""Scripts that use the public form to email others, or to block it for them."""

import json
import re
import threading
from base64 import b64decode, b64encode
from html import unescape

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from subscribers import changing, limits, optin, queue
from subscribers.addresses import parse
from subscribers.mail import confirmations
from subscribers.models import Consent, MailRequest, Subscriber, Subscription
from subscribers.web import challenges
from tests import readers, solving
from tests.attacks.sign_ups import ask, send_all, use_up
from tests.readers import LINK
from tests.subscribers.paths import everything, preferences_path
from tests.subscribers.web.test_views import form_time

pytestmark = pytest.mark.django_db
GMAIL = ["victim@gmail.com", "v.i.c.t.i.m@gmail.com", "victim+1@gmail.com", "vic.tim+a+b@googlemail.com"]


@pytest.fixture(autouse=True)
def _hints(hints, monkeypatch):
    monkeypatch.setattr(challenges, "HARDEST", 500)
    return hints


def field(name: str, page) -> str:
    return unescape(re.search(rf'name="{name}" value="([^"]*)"', page.content.decode())[1])


def solution(page) -> str:
    return solving.solution(page.content.decode())


def sign_up(email: str, network: int = 1, form: str = "", **brought: str):
    fields = {"email": email, "website": "", "form_time": form or form_time()} | brought
    return Client().post("/subscribe/", fields, REMOTE_ADDR=f"10.{network // 250}.{network % 250}.7")


def mails_due(clock) -> int:
    return len(list(confirmations.due(clock.now)))


def test_seventeen_networks_that_ask_for_seventeen_mails_keep_nobody_out(clock):
    for network in range(17):
        for _ in range(20):
            ask(f"victim{network}@readers.example", network)
    assert mails_due(clock) == MailRequest.objects.count() == 17
    assert "Check your email" in sign_up("ada@readers.example", 200).content.decode()
    assert mails_due(clock) == 18


def test_no_flood_of_other_steps_pushes_a_networks_mails_out_of_the_count(clock):
    """Counting used to look only at the newest 10,000 steps of everybody."""
    use_up(1)
    reader = Subscriber.objects.first()
    steps = (Consent(subscriber=reader, step="changed", how="preferences", at=clock.now) for _ in range(10_000))
    Consent.objects.bulk_create(steps)
    assert "One moment" in sign_up("ada@readers.example", 1).content.decode()


@pytest.mark.parametrize(
    "addresses", [[f"victim+{n}@readers.example" for n in range(60)], GMAIL], ids=["tags", "gmail"]
)
def test_one_mailbox_under_many_spellings_gets_one_mail_in_ten_minutes_and_three_a_day(clock, addresses):
    mailed = []
    for minute in range(6):
        for email in addresses:
            ask(email, minute)
        mailed.append(MailRequest.objects.count())
        clock.forward(minutes=10)
    assert mailed[0] == 1
    assert mailed[-1] == 3


def test_spellings_are_one_for_limits_alone(clock):
    sign_up("Ada.L+news@gmail.com")
    reader = Subscriber.objects.get()
    assert (reader.email, reader.email_key) == ("Ada.L+news@gmail.com", "ada.l+news@gmail.com")
    clock.forward(minutes=10)
    sign_up("adal@gmail.com")
    assert Subscriber.objects.count() == 2


def test_a_form_is_spent_by_one_mail_and_comes_back_fresh(clock):
    form = form_time()
    assert "Check your email" in sign_up("ada@readers.example", form=form).content.decode()
    again = sign_up("ben@readers.example", form=form).content.decode()
    assert "press the button once more" in again
    assert 'value="ben@readers.example"' in again
    assert form not in again
    assert mails_due(clock) == 1


def test_who_presses_twice_sees_the_same_page_twice(clock):
    form = form_time()
    assert sign_up("ada@readers.example", form=form).content == sign_up("ada@readers.example", form=form).content


@pytest.mark.django_db(transaction=True)
def test_sixty_posts_of_one_form_at_once_make_one_mail():
    form = form_time()
    at_once(60, lambda number: sign_up(f"victim{number}@readers.example", number, form))
    assert Subscriber.objects.count() == MailRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_sixty_spellings_at_once_make_one_mail():
    at_once(60, lambda number: sign_up(f"victim+{number}@readers.example", number))
    assert Subscriber.objects.count() == MailRequest.objects.count() == 1


def test_signed_links_still_mail_their_subscriber_while_strangers_hammer(client, clock):
    reader = readers.confirmed()
    for minute in range(60):
        ask(reader.email, minute)
        ask(f"ada+{minute}@readers.example", minute)
        clock.forward(minutes=1)
    page = client.post(preferences_path(reader), {"do": "save", "had": "weekly", "newsletter": ["weekly", "jianbao"]})
    assert "press the button in the email" in page.content.decode()
    assert reader.subscriptions.get(newsletter="jianbao").confirmation_due is not None
    assert changing.ask_for_link(reader.public_id, "weekly", LINK) is not None


def test_many_who_name_one_mailbox_as_their_new_address_under_many_spellings_make_one_letter(clock):
    victims = [f"v.ictim+{number}@gmail.com" for number in range(8)]
    letters = [
        changing.ask_to_move(reader.public_id, "weekly", parse(email), LINK)
        for reader, email in zip(readers.crowd(8), victims, strict=True)
    ]
    assert [letter is not None for letter in letters] == [True] + [False] * 7


def test_a_network_counts_the_same_for_readers_and_strangers():
    """Otherwise, who asks for nine strangers and one address would see by the tenth whether it is subscribed."""
    made = readers.everybody()
    optin.suppress(made["unsubscribed"].suppression_hash, "complaint", LINK)
    MailRequest.objects.all().delete()
    for reader in made.values():
        sign_up(reader.email)
        sign_up(reader.email)
    assert limits.mails_of_network("10.0.1.0/24", MailRequest.objects.latest("pk").at) == len(made)


def test_what_led_to_no_mail_leaves_no_trace(clock):
    sign_up("ada@readers.example")
    before = everything()
    for number in range(50):
        sign_up(f"ada+{number}@readers.example", number)
    assert everything() == before


# ---------------------------------------------------------------- above ten mails an hour: work, or a wait


def test_a_bot_that_solves_gets_one_mail_for_each_solution(clock):
    use_up(1)
    form = form_time()
    page = sign_up("victim@readers.example", form=form)
    assert page["Content-Security-Policy"].endswith("; script-src 'self'; worker-src 'self'")
    answer = solution(page)
    assert "Check your email" in sign_up("victim@readers.example", form=form, altcha=answer).content.decode()
    assert mails_due(clock) == limits.FREE_A_NETWORK_HOUR + 1
    for other in (form, form_time()):
        again = sign_up("other@readers.example", form=other, altcha=answer).content.decode()
        assert "Check your email" not in again
    assert mails_due(clock) == limits.FREE_A_NETWORK_HOUR + 1


def test_a_solution_is_good_for_its_own_form_network_and_half_hour(clock):
    use_up(1)
    use_up(2)
    form = form_time()
    answer = solution(sign_up("victim@readers.example", form=form))
    said = json.loads(b64decode(answer))
    moved = said | {"salt": said["salt"] + str(said["number"])[0], "number": int(str(said["number"])[1:] or 0)}
    wrong = [solving.packed(said | change) for change in ({"number": said["number"] + 1}, {"signature": "0" * 64})]
    wrong += [solving.packed(moved), solving.packed(said | {"salt": said["salt"].replace("expires=1", "expires=9")})]
    wrong += [
        solving.packed(said | {"signature": "ä"}),
        solving.packed(said | {"number": True}),
        solving.packed(said | {"salt": 1}),
        solving.packed(said | {"salt": "\ud800"}),
        solving.packed([]),
    ]
    wrong += [
        "",
        "!",
        "A" * 800,
        solving.packed(said)[:-4],
        "é" * 9,
        b64encode(b"[" * 500).decode(),
    ]
    for one in wrong:
        assert "One moment" in sign_up("victim@readers.example", form=form, altcha=one).content.decode(), one
    assert "One moment" in sign_up("victim@readers.example", 2, form=form, altcha=answer).content.decode()
    clock.forward(minutes=31)
    assert "One moment" in sign_up("victim@readers.example", form=form, altcha=answer).content.decode()


def test_a_bot_without_javascript_waits_and_its_mails_go_out_one_a_minute(clock):
    use_up(1)
    forms = [form_time() for _ in range(5)]
    waits = [field("wait", sign_up(f"victim{n}@readers.example", form=form)) for n, form in enumerate(forms)]
    early = sign_up("victim0@readers.example", form=forms[0], wait=waits[0])
    assert "wait 60 seconds" in early.content.decode()
    assert field("wait", early) == waits[0], "pressing does not make it longer"
    clock.forward(seconds=45)
    assert "wait 15 seconds" in sign_up("victim0@readers.example", form=forms[0], wait=waits[0]).content.decode()
    clock.forward(seconds=15)
    assert "One moment" in sign_up("victim1@readers.example", form=forms[1], wait=waits[0]).content.decode()
    for number, (form, wait) in enumerate(zip(forms, waits, strict=True)):
        page = sign_up(f"victim{number}@readers.example", form=form, wait=wait).content.decode()
        assert "Check your email" in page
        assert "may take a few hours" in page
    due = Subscription.objects.filter(confirmation_due__gt=clock.now).order_by("confirmation_due")
    late = [(at - clock.now).total_seconds() for at in due.values_list("confirmation_due", flat=True)]
    assert late == [60, 120, 180, 240, 300]


def test_what_is_asked_of_a_network_is_the_same_for_readers_and_strangers(clock):
    made = readers.everybody()
    optin.suppress(made["unsubscribed"].suppression_hash, "complaint", LINK)
    readers.a_day_later()
    use_up(1)
    pages = set()
    for reader in (*made.values(), Subscriber(email="new@readers.example")):
        form = form_time()
        page = sign_up(reader.email, form=form)
        done = sign_up(reader.email, form=form, altcha=solution(page))
        # The page repeats the address as it was typed.
        pages.add((page.status_code, done.status_code, done.text.replace(reader.email, "ADDRESS")))
    assert len(pages) == 1


def test_the_database_has_the_same_work_with_everybody_who_is_known(clock):
    made = readers.everybody()
    optin.suppress(made["unsubscribed"].suppression_hash, "complaint", LINK)
    readers.a_day_later()
    counts = set()
    for reader in made.values():
        with CaptureQueriesContext(connection) as queries:
            sign_up(reader.email)
        counts.add(tuple(one["sql"].split()[0] for one in queries))
    assert len(counts) == 1


def test_with_proxies_forgotten_everybody_is_one_network_and_nobody_is_shut_out(clock, monkeypatch):
    monkeypatch.setattr(queue, "LENGTH", 20)
    monkeypatch.setattr(queue, "AT_ONCE", 1)
    monkeypatch.setattr(limits, "MOST_COUNTED", 15)
    for number in range(50):
        ask(f"victim{number}@readers.example", 1, limits.Effort.SOLVED)
    form = form_time()
    sign_up("ada@readers.example", 1, form=form, altcha=solution(sign_up("ada@readers.example", 1, form=form)))
    assert Subscription.objects.get(subscriber__email="ada@readers.example").confirmation_due is not None


# ---------------------------------------------------------------- the queue


@pytest.mark.parametrize("networks", [1, 120])
def test_a_flood_keeps_its_rows_bounded_keeps_nobody_out_and_is_over_soon(clock, narrow, networks):
    for number in range(120):
        ask(f"victim{number}@readers.example", number % networks, limits.Effort.SOLVED)
        if number % 20 == 0:
            send_all(clock)
            clock.forward(seconds=30)
    assert queue.waiting().count() <= 30
    for model in (Subscriber, Subscription, Consent, MailRequest):
        assert model.objects.count() <= 30 + 5
    ask("ada@readers.example", 999, limits.Effort.SOLVED)
    sent = []
    for _ in range(12):
        clock.forward(minutes=10)
        sent.append(send_all(clock))
    assert all(len(mails) <= 5 for mails in sent)
    assert sum(map(len, sent)) <= 30
    assert sent[-1] == []
    assert any("ada@readers.example" in mails for mails in sent[: 1 if networks == 1 else 7])


def test_solved_ones_go_first_and_then_quiet_networks(clock, narrow):
    for number in range(8):
        ask(f"loud{number}@readers.example", 1)
    ask("quiet@readers.example", 2)
    ask("solved@readers.example", 3, limits.Effort.SOLVED)
    hinted = Subscription.objects.get(subscriber__email="loud7@readers.example").pk
    assert not confirmations.send(hinted), "a hint jumps no queue"
    assert send_all(clock)[:3] == ["solved@readers.example", "loud0@readers.example", "quiet@readers.example"]


def test_while_the_rate_is_used_up_everybody_is_asked_for_work_and_told_that_it_takes_long(clock, narrow):
    readers.confirmed()
    readers.a_day_later()
    for number in range(5):
        ask(f"victim{number}@readers.example", number)
    send_all(clock)
    pages = []
    for email in ("new@readers.example", "ada@readers.example"):
        form = form_time()
        page = sign_up(email, 50, form=form)
        pages.append(sign_up(email, 50, form=form, altcha=solution(page)).text.replace(email, "ADDRESS"))
    assert pages[0] == pages[1]
    assert "may take a few hours" in pages[0]
    assert send_all(clock) == []
    clock.forward(minutes=10)
    assert send_all(clock) == ["new@readers.example"]


def test_a_mail_that_a_stranger_asked_for_before_is_brought_forward_by_who_solved(clock, narrow):
    for number in range(20):
        ask(f"victim{number}@readers.example", 10 + number // 5)
    ask("ada@readers.example", 10)
    ask("ada@readers.example", 3, limits.Effort.SOLVED)
    clock.forward(minutes=15)
    assert send_all(clock)[0] == "ada@readers.example"


def test_what_waited_for_a_day_is_not_sent_any_more(clock):
    ask("ada@readers.example", 1)
    subscription = Subscription.objects.get()
    clock.forward(days=1)
    assert list(confirmations.due(clock.now)) == []
    assert not confirmations.send(subscription.pk), "nor by a late hint"
    queue.forget_old(clock.now)
    subscription.refresh_from_db()
    assert (subscription.confirmation_due, MailRequest.objects.count()) == (None, 0)
    ask("ada@readers.example", 1)
    assert send_all(clock) == ["ada@readers.example"]


def test_spellings_that_waited_together_still_arrive_ten_minutes_apart(clock):
    for number in range(3):
        ask(f"victim+{number}@readers.example", number)
        clock.forward(minutes=10)
    sent = []
    for _ in range(6):
        sent.append(len(send_all(clock)))
        clock.forward(minutes=5)
    assert sent == [1, 0, 1, 0, 1, 0]


def test_mails_by_signed_links_wait_behind_no_stranger(clock, narrow):
    reader = readers.crowd(1)[0]
    for number in range(40):
        ask(f"victim{number}@readers.example", number, limits.Effort.SOLVED)
    send_all(clock)
    optin.subscribe(parse(reader.email), "jianbao", origin=LINK)
    assert send_all(clock) == [reader.email]


def test_who_is_pushed_out_of_the_queue_keeps_what_else_is_known_of_them(clock, narrow):
    left = readers.unsubscribed()
    readers.a_day_later()
    ask(left.email, 1)
    for number in range(60):
        ask(f"victim{number}@readers.example", 2 + number, limits.Effort.SOLVED)
    assert readers.history_of(left)[:3] == [("requested", "form"), ("confirmed", "link"), ("unsubscribed", "one-click")]
    wish = Subscription.objects.get(subscriber=left)
    assert (wish.state, wish.confirmation_due) == ("pending", None)
    assert wish.pk in optin.those_who_left("weekly", [left.pk])


def at_once(count: int, act) -> None:
    def run(number: int) -> None:
        act(number)
        connections.close_all()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
