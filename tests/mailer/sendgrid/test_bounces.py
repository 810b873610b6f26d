import pytest

from mailer.sendgrid.bounces import Meaning, meaning


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1"])
def test_nobody_is_there(status):
    assert meaning("bounce", {"type": "bounce", "status": status}) is Meaning.HARD
    assert meaning("bounce", {"type": "bounce", "reason": f"550 {status} <a@b.example>: gone"}) is Meaning.HARD
    assert meaning("bounce", {"type": "blocked", "status": status}) is Meaning.SOFT


@pytest.mark.parametrize(
    "details",
    [
        {"type": "bounce", "status": "5.2.2"},
        {"type": "bounce", "status": "4.2.2"},
        {"type": "blocked", "status": "5.0.0", "bounce_classification": "Mailbox Unavailable"},
        {"type": "bounce", "status": "5.1.11"},
        {"type": "bounce", "reason": "550 rejected by 5.1.1.20"},
        {"type": "bounce"},
        {},
    ],
)
def test_not_now_or_not_clear(details):
    assert meaning("bounce", details) is Meaning.SOFT


@pytest.mark.parametrize(
    "details",
    [
        {"type": "bounce", "status": "5.7.1"},
        {"type": "blocked", "status": "4.7.0"},
        {"type": "blocked", "reason": "550 5.7.26 unauthenticated mail"},
        {"type": "bounce", "status": "5.1.1", "bounce_classification": "Reputation"},
        {"type": "blocked", "status": "5.0.0", "bounce_classification": "Content"},
    ],
)
def test_our_own_fault(details):
    assert meaning("bounce", details) is Meaning.POLICY


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("Bounced Address", Meaning.HARD),
        ("Invalid", Meaning.HARD),
        ("Spam Reporting Address", Meaning.COMPLAINT),
        ("Unsubscribed Address", Meaning.LEFT),
        ("Invalid SMTPAPI header", Meaning.NOTHING),
        ("Recipient List over Package Quota", Meaning.NOTHING),
    ],
)
def test_what_a_drop_means_its_reason_says(reason, found):
    assert meaning("dropped", {"reason": reason}) is found


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("spamreport", Meaning.COMPLAINT),
        ("unsubscribe", Meaning.LEFT),
        ("group_unsubscribe", Meaning.LEFT),
        ("group_resubscribe", Meaning.NOTHING),
        ("delivered", Meaning.NOTHING),
    ],
)
def test_what_other_kinds_mean(kind, found):
    assert meaning(kind, {}) is found
