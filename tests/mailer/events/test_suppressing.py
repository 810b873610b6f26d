# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
import json
import time
from datetime import timedelta
from uuid import uuid4

import pytest

from mailer.events import processing
from mailer.models import Attempt, Event, Send
from mailer.providers.answers import OutcomeUnknown
from subscribers.models import Suppression
from tests import readers
from tests.mailer.reports import HARD, POLICY, SOFT, Mailed, ada, counters, issue, mailed, nameless, post  # noqa: F401 — whom it was mailed to, and what
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import planned

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- what events say of readers


def test_a_hard_bounce_suppresses_the_address_at_once(issue, ada):
    post(issue.about(ada, "bounce", **HARD))
    assert readers.suppression_of(ada) == "bounce"
    assert counters(issue.send) == {"bounced": 1, "bounced_hard": 1}
    assert readers.history_of(ada)[-1] == ("changed", "event")


def test_a_complaint_suppresses_the_address_permanently(issue, ada):
    post(issue.about(ada, "delivered"), issue.about(ada, "spamreport"))
    assert readers.suppression_of(ada) == "complaint"
    post(issue.about(ada, "bounce", **HARD))
    assert readers.suppression_of(ada) == "complaint"
    assert counters(issue.send) == {"delivered": 1, "complained": 1, "bounced": 1, "bounced_hard": 1}


def test_a_bounce_of_the_address_that_a_reader_gave_up_says_nothing_of_the_new_one(issue, ada):
    readers.move(ada, "ada@new.example")
    post(issue.about(ada, "bounce", **HARD))
    ada.refresh_from_db()
    assert (ada.email, readers.suppression_of(ada)) == ("ada@new.example", None)
    later = mailed("2026-11-27")
    post(later.about(ada, "bounce", **HARD))
    assert readers.suppression_of(ada) == "bounce"


def test_a_complaint_follows_its_reader_to_a_new_address(issue, ada):
    readers.move(ada, "ada@new.example")
    post(issue.about(ada, "spamreport"))
    ada.refresh_from_db()
    assert readers.suppression_of(ada) == "complaint"


@pytest.mark.parametrize(
    ("reason", "suppressed", "wish", "counted"),
    [
        ("Bounced Address", "bounce", "active", {"bounced": 1, "bounced_hard": 1}),
        ("Invalid", "bounce", "active", {"bounced": 1, "bounced_hard": 1}),
        ("Spam Reporting Address", "complaint", "active", {"complained": 1}),
        ("Unsubscribed Address", None, "unsubscribed", {}),
        ("Spam Content", None, "active", {}),
    ],
)
def test_what_was_dropped_is_counted_by_its_reason(issue, ada, reason, suppressed, wish, counted):
    post(issue.about(ada, "dropped", reason=reason))
    assert (readers.suppression_of(ada), readers.state_of(ada)) == (suppressed, wish)
    assert counters(issue.send) == {"dropped": 1} | counted


@pytest.mark.parametrize("kind", ["unsubscribe", "group_unsubscribe"])
def test_sendgrids_own_unsubscribe_is_one_of_this_newsletter(issue, ada, kind):
    readers.confirmed("jianbao", readers.ADA)
    post(issue.about(ada, kind))
    assert (readers.state_of(ada), readers.state_of(ada, "jianbao")) == ("unsubscribed", "active")


def test_a_bounce_because_of_us_never_counts_and_alerts_the_editor_once_a_post(api, caplog):
    everybody = readers.crowd(3)
    issue = mailed()
    post(*(issue.about(reader, "bounce", **POLICY) for reader in everybody))
    assert not Suppression.objects.exists()
    assert counters(issue.send) == {"bounced": 3}
    (alert,) = [record for record in caplog.records if "reputation" in record.message]
    assert (alert.bounces, alert.sends) == (3, [issue.send.pk])
    assert "reader0001" not in caplog.text


def test_a_reader_who_bounced_twice_counts_once(issue, ada):
    post(issue.about(ada, "bounce", **SOFT))
    post(issue.about(ada, "bounce", **SOFT | {"timestamp": int(time.time()) - 60}))
    post(issue.about(ada, "bounce", **HARD))
    assert counters(issue.send) == {"bounced": 1, "bounced_hard": 1}


def test_a_repeated_suppression_leaves_one_line_in_the_readers_history(issue, ada):
    post(issue.about(ada, "bounce", **HARD))
    before = readers.history_of(ada)
    post(issue.about(ada, "dropped", reason="Bounced Address"))
    assert readers.history_of(ada) == before


def test_a_bounce_of_an_erased_reader_is_a_fact_of_the_send_alone(issue, ada):
    report = issue.about(ada, "bounce", **HARD)
    ada.delete()
    post(report)
    assert counters(issue.send) == {"bounced": 1, "bounced_hard": 1}
    assert not Suppression.objects.exists()


# ---------------------------------------------------------------- soft bounces


def three_issues(*days_ago: int) -> list[Mailed]:
    return [mailed(slug=f"issue-{days}", ago=timedelta(days=days)) for days in days_ago]


def test_three_soft_bounces_over_two_weeks_suppress(ada):
    first, second, third = three_issues(14, 7, 0)
    post(first.about(ada, "bounce", **SOFT), third.about(ada, "bounce", **SOFT))
    assert readers.suppression_of(ada) is None
    post(second.about(ada, "bounce", **SOFT))
    assert readers.suppression_of(ada) == "bounce"


def test_three_soft_bounces_in_less_than_two_weeks_do_not(ada):
    for one in three_issues(13, 7, 0):
        post(one.about(ada, "bounce", **SOFT))
    assert readers.suppression_of(ada) is None


def test_the_soft_bounce_of_a_welcome_is_none_of_the_three(ada):
    welcome, *others = three_issues(14, 7, 0)
    Send.objects.filter(pk=welcome.send.pk).update(kind="welcome", first_request_at=None)
    post(*(one.about(ada, "bounce", **SOFT) for one in (welcome, *others)))
    assert readers.suppression_of(ada) is None


def test_soft_bounces_before_a_delivered_mail_do_not_count(ada):
    *bounced, last = three_issues(40, 30, 20, 0)
    post(*(issue.about(ada, "bounce", **SOFT) for issue in bounced), last.about(ada, "delivered"))
    assert readers.suppression_of(ada) is None


def test_delivered_after_all_takes_back_what_soft_bounces_did_and_nothing_else(ada):
    issues = three_issues(20, 10, 0)
    post(*(issue.about(ada, "bounce", **SOFT) for issue in issues))
    assert readers.suppression_of(ada) == "bounce"
    post(issues[2].about(ada, "delivered"))
    assert readers.suppression_of(ada) is None
    post(issues[1].about(ada, "bounce", **HARD))
    post(issues[0].about(ada, "delivered"))
    assert readers.suppression_of(ada) == "bounce"


# ---------------------------------------------------------------- a list with many dead addresses

# As Microsoft 365, outlook.com and servers without enhanced codes report an address that nobody has.
MICROSOFT_365 = {"status": "5.4.1", "reason": "550 5.4.1 Recipient address rejected: Access denied."}
OUTLOOK = {"status": "5.5.0", "reason": "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."}
INVALID = {"status": "5.0.0", "reason": "550 rejected", "bounce_classification": "Invalid Address"}
WITHOUT_CODE = {"reason": "550 Mailbox not found."}


def test_240_dead_addresses_among_600_pause_the_send_and_are_not_mailed_again(api, settings):
    """None of their bounces has one of the five codes that used to be the only ones to count."""
    settings.MAILER_BATCH_SIZE = 600
    dead = [reader for n in range(60) for reader in readers.crowd(4, domain=f"company{n}.example")]
    readers.crowd(360)
    issue = mailed()
    Send.objects.filter(pk=issue.send.pk).update(state="sending")
    kinds = (MICROSOFT_365, OUTLOOK, INVALID, WITHOUT_CODE)
    post(*(issue.about(reader, "bounce", type="bounce", **kinds[n % 4]) for n, reader in enumerate(dead)))

    send = Send.objects.get(pk=issue.send.pk)
    assert counters(send) == {"bounced": 240, "bounced_hard": 240}
    assert (send.state, send.reason[:36]) == ("paused", "240 of the 600 addresses of 2026-11-")
    following = planned(slug="2026-11-27", source="another")
    assert following.planned == 360


# ---------------------------------------------------------------- a bounce that names only an address


@pytest.mark.parametrize(("days", "suppressed"), [(6, "bounce"), (8, None)])
def test_a_bounce_without_ids_counts_for_a_week(ada, days, suppressed):
    issue = mailed(ago=timedelta(days=days))
    assert post(nameless("ADA@readers.example")) == 1
    assert readers.suppression_of(ada) == suppressed
    assert counters(issue.send) == ({"bounced": 1, "bounced_hard": 1} if suppressed else {})
    kept = Event.objects.get()
    assert kept.applied_at
    assert "ada" not in json.dumps(kept.details).lower()


def test_a_bounce_without_ids_counts_after_a_request_that_was_refused_first(ada):
    """For example when the provider refuses another subscriber of the batch by name."""
    issue = mailed()
    first = Attempt.objects.get(pk=issue.attempt)
    first.pk, first.state = uuid4(), Attempt.State.REFUSED
    first.save(force_insert=True)
    post(nameless(ada.email))
    assert readers.suppression_of(ada) == "bounce"


@pytest.mark.parametrize("email", ["ada@readers.example", "stranger@elsewhere.example", "no address", ""])
def test_a_bounce_without_ids_of_somebody_whom_we_did_not_mail_is_nothing(ada, email):
    post(nameless(email))
    assert not Suppression.objects.exists()
    assert not Event.objects.filter(details__isnull=False).exists()


def test_a_bounce_without_ids_waits_for_the_outcome_of_the_request(ada, monkeypatch):
    lost = mailed(answer=OutcomeUnknown("no answer", None))
    post(nameless(ada.email))
    assert readers.suppression_of(ada) is None
    post(lost.about(ada, "processed"))
    monkeypatch.setattr(processing, "LEFT_ALONE", timedelta(0))
    processing.apply_leftovers()
    assert readers.suppression_of(ada) == "bounce"
