"""Scripts that try to push others out of the queue of confirmation emails, or back in it."""

from contextlib import suppress
from datetime import timedelta

import pytest

from subscribers import limits, optin, queue
from subscribers.addresses import parse
from subscribers.mail import confirmations
from subscribers.models import MailRequest, Subscription
from tests.attacks.sign_ups import ask, send_all, use_up
from tests.readers import LINK

pytestmark = pytest.mark.django_db
ADA = "ada@readers.example"
SOLVED, WAITED = limits.Effort.SOLVED, limits.Effort.WAITED


@pytest.fixture(autouse=True)
def _hints(hints):
    return hints


def test_mailboxes_that_were_mailed_before_and_ask_again_push_nobody_else_out(clock, narrow):
    mailboxes = [f"m{number}@loud.example" for number in range(60)]
    for start in range(0, 60, 5):
        for email in mailboxes[start : start + 5]:
            ask(email, 1, SOLVED)
        send_all(clock)
        clock.forward(minutes=10)
    for email in mailboxes:
        ask(email, 1, SOLVED)
    ask(ADA, 999, SOLVED)
    assert queue.waiting().count() <= 30
    assert send_all(clock)[0] == ADA


def test_who_was_mailed_before_and_is_pushed_out_can_still_confirm_by_that_link(clock, narrow):
    ask(ADA, 1, SOLVED)
    assert send_all(clock) == [ADA]
    clock.forward(minutes=10)
    ask(ADA, 1, WAITED)
    for number in range(60):
        ask(f"n{number}@readers.example", 2, SOLVED)
    subscription = Subscription.objects.get(subscriber__email=ADA)
    assert subscription.confirmation_due is None
    assert optin.confirm(subscription.subscriber.public_id, "weekly", LINK) is optin.Confirmation.CONFIRMED


def test_what_waited_for_a_day_after_an_earlier_mail_is_not_sent_either(clock, narrow):
    mailboxes = [f"m{number}@readers.example" for number in range(20)]
    for start in range(0, 20, 5):
        for email in mailboxes[start : start + 5]:
            ask(email, start, SOLVED)
        send_all(clock)
        clock.forward(minutes=10)
    for number, email in enumerate(mailboxes):
        ask(email, number, SOLVED)
    clock.forward(hours=25)
    queue.forget_old(clock.now)
    assert send_all(clock) == []


@pytest.mark.parametrize("signed", [True, False], ids=["by a signed link", "by the form"])
def test_a_stranger_who_types_an_address_does_not_delay_its_subscribers_own_request(clock, narrow, signed):
    if signed:
        optin.subscribe(parse(ADA), "weekly", origin=LINK)
    else:
        ask(ADA, 1, SOLVED)
    use_up(2)
    clock.forward(minutes=10)
    for _ in range(3):
        ask(ADA, 2, WAITED)
        clock.forward(minutes=10)
    assert Subscription.objects.get(subscriber__email=ADA).confirmation_due <= clock.now
    place = queue.place_of(Subscription.objects.get(subscriber__email=ADA).pk)
    assert place.rank == 0
    assert place.budget == ("signed" if signed else "typed")
    assert MailRequest.objects.filter(subscription__subscriber__email=ADA).count() == 1


def test_solving_later_brings_forward_what_a_stranger_put_off(clock):
    for number in range(80):
        ask(f"n{number}@loud.example", 2, SOLVED)
    ask(ADA, 2, WAITED)
    due = Subscription.objects.get(subscriber__email=ADA).confirmation_due
    assert due > clock.now + timedelta(hours=1)
    clock.forward(minutes=5)
    ask(ADA, 1, SOLVED)
    subscription = Subscription.objects.get(subscriber__email=ADA)
    assert subscription.confirmation_due == clock.now
    assert subscription.pk in set(confirmations.due(clock.now))


def flood(domain, network=1):
    """Ask for 30 emails from one network, the first ten of which are free to any."""
    for number in range(30):
        ask(f"f{network}n{number}@{domain}", network, SOLVED)


def test_a_loud_network_mails_a_catch_all_domain_twenty_times_in_ten_minutes_beside_its_free_ones(clock):
    flood("victim.example")
    flood("victim.example", network=2)
    assert len(send_all(clock)) == 2 * 10 + 20
    clock.forward(minutes=9)
    assert send_all(clock) == []
    clock.forward(minutes=2)
    assert len(send_all(clock)) == 20


@pytest.mark.parametrize(("first", "then"), [(WAITED, limits.Effort.NONE), (SOLVED, SOLVED)])
def test_a_quiet_network_that_asks_once_more_does_not_let_a_flood_through(clock, first, then):
    for number in range(100):
        ask(f"n{number}@victim.example", 1, first)
    sent = len(send_all(clock))
    clock.forward(minutes=1)
    for number in range(100):
        with suppress(limits.EffortNeeded):
            ask(f"n{number}@victim.example", 2, then)
    assert sent + len(send_all(clock)) <= 2 * limits.FREE_A_NETWORK_HOUR + queue.A_DOMAIN


def test_a_flood_holds_up_no_other_network_no_other_domain_and_no_large_provider(clock):
    flood("victim.example")
    flood("victim.example", network=2)
    send_all(clock)
    ask("grace@victim.example", 3, WAITED)
    ask(ADA, 1, SOLVED)
    assert set(send_all(clock)) == {"grace@victim.example", ADA}
    for network in (4, 5):
        flood("gmail.com", network)
    assert len(send_all(clock)) == 60


def test_people_who_confirm_make_room_for_others_of_their_domain(clock):
    flood("campus.example")
    flood("campus.example", network=2)
    for email in send_all(clock):
        subscriber = Subscription.objects.get(subscriber__email=email).subscriber
        optin.confirm(subscriber.public_id, "weekly", LINK)
    clock.forward(minutes=1)
    flood("campus.example", network=3)
    assert len(send_all(clock)) == 10 + 20
