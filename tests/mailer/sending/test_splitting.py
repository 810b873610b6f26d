"""Find the subscriber whom a provider refuses without naming them."""

import pytest

from mailer.models import Send
from mailer.providers.answers import RecipientsRejected, UnlocatedRefusal
from mailer.sending.accounting import count
from mailer.sending.settling import settle
from mailer.sending.steering import pause, resume
from subscribers import optin
from tests import readers
from tests.mailer.sending.outgoing import (
    attempts,
    balanced,
    batch_of,
    batches,
    claimed,
    deliver_all,
    deliver_batch,
    everybody,
    outcomes,
    planned,
    states,
)

pytestmark = pytest.mark.django_db


def address(number):
    return f"reader{number:04}@readers.example"


def test_a_batch_refused_without_a_place_is_halved(four, api):
    api.unnamed_bad_addresses = {address(2)}
    deliver_batch(batch_of(four).pk)
    balanced(four)
    assert (states(four), attempts(four)) == (["planned", "planned"], ["refused"])
    first, second = batches(four)
    assert [batch.size for batch in (first, second)] == [2, 2]
    assert second.split_from == first
    assert four.state == Send.State.SENDING


def test_an_odd_batch_is_halved_and_nobody_is_lost(api):
    readers.crowd(5)
    send = planned()
    settle(claimed(send), UnlocatedRefusal("413", 413))
    balanced(send)
    assert [batch.size for batch in batches(send)] == [3, 2]


@pytest.mark.parametrize(("size", "bad"), [(4, {2}), (7, {1, 6}), (20, {3, 9, 17}), (2, {2})])
def test_of_n_readers_with_k_bad_ones_exactly_the_others_are_accepted_and_the_bad_ones_are_named(api, size, bad):
    readers.crowd(size)
    send = planned()
    api.unnamed_bad_addresses = {address(number) for number in bad}
    deliver_all(send)
    balanced(send)
    assert send.state == Send.State.FINISHED
    assert (count(send).accepted, count(send).rejected) == (size - len(bad), len(bad))
    rejected = {email for email, (outcome, _) in outcomes(send).items() if outcome == "rejected"}
    assert rejected == api.unnamed_bad_addresses
    assert set(api.times_mailed) == set(outcomes(send)) - rejected
    assert set(api.times_mailed.values()) == {1}
    assert outcomes(send)[address(min(bad))] == ("rejected", "400 Bad Request: Bad Request")


def test_named_and_unnamed_bad_addresses_are_found_together(api):
    readers.crowd(12)
    send = planned()
    api.bad_addresses = {address(1), address(8)}
    api.unnamed_bad_addresses = {address(5)}
    deliver_all(send)
    balanced(send)
    assert (count(send).accepted, count(send).rejected) == (9, 3)


def test_a_batch_that_is_too_large_is_halved_until_it_fits(api):
    readers.crowd(9)
    send = planned()
    api.too_large_above = 3
    deliver_all(send)
    balanced(send)
    assert (count(send).accepted, count(send).rejected, send.state) == (9, 0, Send.State.FINISHED)
    assert set(api.times_mailed.values()) == {1}


def test_when_the_first_two_singles_are_refused_they_are_restored_and_the_send_is_paused(four, api):
    api.unnamed_bad_addresses = set(outcomes(four))
    deliver_all(four)
    balanced(four)
    assert (four.state, four.reason) == (Send.State.PAUSED, "400 Bad Request: Bad Request")
    assert (count(four).rejected, count(four).waiting) == (0, 4)
    assert set(outcomes(four).values()) == {(None, None)}
    api.repair()
    resume(four.pk)
    deliver_all(four)
    assert (count(four).accepted, set(api.times_mailed.values())) == (4, {1})


def test_the_second_single_is_refused_when_somebody_of_the_batch_was_accepted(four, api):
    """Then the email itself is fine, and the refusals are about these two."""
    api.unnamed_bad_addresses = {address(1), address(2)}
    deliver_all(four)
    balanced(four)
    assert (count(four).accepted, count(four).rejected, four.state) == (2, 2, Send.State.FINISHED)


@pytest.mark.parametrize("words", ["Does not contain a valid address.", "400 Bad Request"])
def test_a_reader_refused_by_name_says_nothing_about_the_mail(four, words):
    settle(claimed(four, 0), UnlocatedRefusal("400 Bad Request", 400))
    settle(claimed(four, 0), UnlocatedRefusal("400 Bad Request", 400))
    settle(claimed(four, 0), RecipientsRejected({0: words}, 400))
    settle(claimed(four, 2), UnlocatedRefusal("400 Bad Request", 400))
    balanced(four)
    assert four.state == Send.State.SENDING
    assert states(four) == ["refused", "planned", "refused"]
    assert count(four).rejected == 2


def test_a_single_refused_again_after_others_left_is_still_alone(four, api):
    """Skipped subscribers do not count."""
    pause(four.pk)
    for reader in everybody()[1:]:
        optin.unsubscribe(reader.public_id, "weekly", readers.LINK)
    resume(four.pk)
    settle(claimed(four), UnlocatedRefusal("400 Bad Request", 400))
    balanced(four)
    assert states(four) == ["refused"]
    assert (count(four).skipped, count(four).rejected, four.state) == (3, 1, Send.State.FINISHED)


def test_after_three_rounds_of_named_refusals_the_batch_is_halved(api):
    readers.crowd(10)
    send = planned()
    for _ in range(3):
        settle(claimed(send), RecipientsRejected({0: "bad"}, 400))
    assert states(send) == ["planned"]
    settle(claimed(send), RecipientsRejected({0: "bad"}, 400))
    balanced(send)
    assert states(send) == ["planned", "planned"]
    assert [batch.size - batch.rejected for batch in batches(send)] == [3, 3]
