"""What scripts do to the form that anybody may fill in: mail others by it, and shut it for others."""

import threading

import pytest
from django.db import connections
from django.test import Client

from subscribers import changing, confirmations, limits, optin
from subscribers.models import Consent, MailRequest, Subscriber
from tests import readers
from tests.readers import LINK
from tests.subscribers.doors import everything, preferences_path
from tests.subscribers.test_views import form_time

pytestmark = pytest.mark.django_db
GMAIL = ["victim@gmail.com", "v.i.c.t.i.m@gmail.com", "victim+1@gmail.com", "vic.tim+a+b@googlemail.com"]


@pytest.fixture(autouse=True)
def _hints(hints):
    return hints


def sign_up(email: str, network: int = 1, form: str = ""):
    fields = {"email": email, "website": "", "form_time": form or form_time()}
    return Client().post("/subscribe/", fields, REMOTE_ADDR=f"10.{network // 250}.{network % 250}.7")


def mails_due(clock) -> int:
    return len(list(confirmations.due(clock.now)))


def test_seventeen_networks_that_ask_for_seventeen_mails_keep_nobody_out(clock):
    for network in range(17):
        for _ in range(61):
            sign_up(f"victim{network}@readers.example", network)
    assert mails_due(clock) == MailRequest.objects.count() == 17
    answer = sign_up("ada@readers.example", 200)
    assert (answer.status_code, mails_due(clock)) == (200, 18)


def test_no_flood_of_other_steps_pushes_a_networks_mails_out_of_the_count(clock):
    """Counting looked at the newest 10,000 steps of everybody."""
    for number in range(limits.MAILS_A_NETWORK_HOUR):
        sign_up(f"n{number}@readers.example")
    steps = [Consent(subscriber=Subscriber.objects.first(), step="changed", how="preferences", at=clock.now)] * 10_000
    Consent.objects.bulk_create(
        Consent(**{f: getattr(one, f) for f in ("subscriber", "step", "how", "at")}) for one in steps
    )
    assert limits.mails_of_network("10.0.1.0/24", clock.now) == limits.MAILS_A_NETWORK_HOUR


@pytest.mark.parametrize(
    "addresses", [[f"victim+{n}@readers.example" for n in range(60)], GMAIL], ids=["tags", "gmail"]
)
def test_one_mailbox_under_many_spellings_gets_one_mail_in_ten_minutes_and_three_a_day(clock, addresses):
    mailed = []
    for _ in range(6):
        for email in addresses:
            sign_up(email)
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
    assert "Check your mail" in sign_up("ada@readers.example", form=form).content.decode()
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
        sign_up(reader.email, minute)
        sign_up(f"ada+{minute}@readers.example", minute)
        clock.forward(minutes=1)
    page = client.post(preferences_path(reader), {"do": "save", "had": "weekly", "newsletter": ["weekly", "jianbao"]})
    assert "press the button in the mail" in page.content.decode()
    assert reader.subscriptions.get(newsletter="jianbao").confirmation_due is not None
    assert changing.ask_for_link(reader.public_id, "weekly", LINK) is not None


def test_a_network_counts_the_same_for_readers_and_strangers():
    """Or who asks for nine strangers and one address would see by the tenth whether that one reads."""
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


def test_requests_are_forgotten_after_a_day(clock):
    sign_up("ada@readers.example")
    clock.forward(days=1, seconds=1)
    limits.forget_old(clock.now)
    assert not MailRequest.objects.exists()


def at_once(count: int, act) -> None:
    def run(number: int) -> None:
        act(number)
        connections.close_all()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
