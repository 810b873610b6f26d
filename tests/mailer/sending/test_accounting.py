import json

import pytest

from mailer.models import Send
from mailer.providers.answers import Accepted, OutcomeUnknown, RecipientsRejected
from mailer.sending.accounting import Equation, attempted, count, receipt
from mailer.sending.settling import settle
from mailer.sending.steering import cancel
from subscribers import optin
from tests import readers
from tests.mailer.sending.outgoing import balanced, claimed, everybody, planned

pytestmark = pytest.mark.django_db


@pytest.fixture
def mixed(settings, api):
    """Make a send to ten subscribers, two per batch: accepted, one left, one refused, unknown, cancelled."""
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(10)
    send = planned()
    optin.unsubscribe(everybody()[2].public_id, "weekly", readers.LINK)
    settle(claimed(send, 0), Accepted("1"))
    settle(claimed(send, 1), Accepted("2"))
    settle(claimed(send, 2), RecipientsRejected({1: "bad"}, 400))
    settle(claimed(send, 2), Accepted("3"))
    settle(claimed(send, 3), OutcomeUnknown("timed out", None))
    return send


def test_a_plan_waits_as_a_whole(four):
    assert count(four) == Equation(planned=4, waiting=4)
    assert not attempted(four)


def test_a_request_in_flight_still_waits(four):
    claimed(four)
    assert count(four).waiting == 4
    assert attempted(four)


def test_every_reader_is_counted_once(mixed):
    assert count(mixed) == Equation(planned=10, accepted=4, skipped=1, rejected=1, unknown=2, waiting=2)
    cancel(mixed.pk)
    assert count(mixed) == Equation(planned=10, accepted=4, skipped=1, rejected=1, unknown=2, cancelled=2)
    balanced(mixed)
    assert str(count(mixed)) == (
        "planned 10 = accepted 4 + skipped 1 + rejected 1 + unknown 2 + waiting 0 + cancelled 2"
    )


def test_the_receipt_is_json_with_the_names_that_programs_rely_on(mixed):
    mixed.refresh_from_db()
    result = json.loads(json.dumps(receipt(mixed)))
    assert result["skipped"] == {"unsubscribed": 1}
    assert result["batches"] == {"accepted": 3, "planned": 1, "unknown": 1}
    assert (result["state"], result["provider"], result["newsletter"]) == (Send.State.SENDING, "127.0.0.1", "weekly")
    assert (result["first_request_at"] is not None, result["finished_at"]) == (True, None)
    assert set(result) >= {
        *(
            [
                "newsletter",
                "slug",
                "provider",
                "state",
                "reason",
                "subject",
                "from",
                "source_sha256",
                "content_sha256",
                "planned",
                "accepted",
            ]
        ),
        *(["assumed", "skipped", "rejected", "unknown", "waiting", "cancelled", "possibly_twice", "batches", "at"]),
        *(["first_request_at", "last_request_at", "finished_at"]),
    }


def test_counting_costs_the_same_for_any_number_of_readers(mixed, django_assert_num_queries):
    with django_assert_num_queries(1):
        count(mixed)
