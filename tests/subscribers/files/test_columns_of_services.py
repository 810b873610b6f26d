"""Files as other services export them. Their headings are in `subscribers/files/columns.py`."""

from pathlib import Path

import pytest

from subscribers.files.importing import apply, read
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from tests import readers
from tests.readers import ADA, BEN, CLEO, DORA

pytestmark = pytest.mark.django_db
EXPORTS = Path(__file__).parent / "exports"
SUBSCRIBED = "subscribed_email_audience_export_0a1b2c.csv"


def take_in(name: str, state: str | None = None):
    with read(EXPORTS / name, "weekly", state) as stage:
        assert stage.rejected == 0, list(stage.rejected_rows)
        return apply(stage, f"file {name}")


def who() -> dict[str, str]:
    """Return first names, by what may be done with each."""
    found = {}
    suppressed = dict(Suppression.objects.values_list("hash", "reason"))
    for wish in Subscription.objects.select_related("subscriber"):
        name = wish.subscriber.email.partition("@")[0]
        found[name] = suppressed.get(wish.subscriber.suppression_hash) or wish.state
    return found


@pytest.mark.parametrize(
    ("files", "state", "expected"),
    [
        (
            ["subscribed_email_audience_export_0a1b2c.csv", "unsubscribed_email_audience_export_0a1b2c.csv"],
            None,
            {"ada": "active", "cleo": "unsubscribed", "emil": "complaint"},
        ),
        (["cleaned_email_audience_export_0a1b2c.csv"], None, {"dora": "bounce"}),
        (["mailchimp-in-one-file.csv"], None, {"ada": "active", "cleo": "unsubscribed", "dora": "bounce"}),
        (["substack-email_list.csv"], None, {"ada": "active", "ben": "active", "cleo": "unsubscribed"}),
        (["substack-dashboard.csv"], "active", {"ada": "active", "ben": "active"}),
        (
            ["buttondown.csv"],
            None,
            {
                "ada": "active",
                "ben": "pending",
                "cleo": "unsubscribed",
                "dora": "bounce",
                "emil": "complaint",
                "flo": "active",
            },
        ),
        (["ghost-members.csv"], None, {"ada": "active", "cleo": "unsubscribed", "ben": "unsubscribed"}),
        (["listmonk-subscribers.csv"], "pending", {"ada": "pending", "cleo": "unsubscribed", "dora": "manual"}),
        (
            ["beehiiv-subscribers.csv"],
            None,
            {"ada": "active", "ben": "pending", "cleo": "unsubscribed", "emil": "unsubscribed"},
        ),
        (["plain-list.txt"], "pending", {"ada": "pending", "ben": "pending"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_reader_of_a_rivals_file_is_what_they_were_there(files, state, expected):
    for file in files:
        take_in(file, state)
    assert who() == expected


@pytest.mark.parametrize("name", ["substack-dashboard.csv", "plain-list.txt"])
def test_a_file_that_does_not_tell_who_gets_mail_needs_a_state(name):
    with pytest.raises(ValueError, match="--state active"):
        read(EXPORTS / name, "weekly", None)


def test_being_enabled_at_listmonk_is_not_a_subscription():
    with read(EXPORTS / "listmonk-subscribers.csv", "weekly", None) as stage:
        assert [(line, reason[:20]) for line, reason, _ in stage.rejected_rows] == [(2, "the row has no state")]


def test_what_the_file_claims_of_consent_is_kept_with_each_reader():
    take_in(SUBSCRIBED)
    record = Consent.objects.get()
    assert (record.step, record.how, record.source) == ("imported", "import", f"file {SUBSCRIBED}")
    assert record.claimed == {
        "state": "active",
        "requested_at": "2018-02-12T10:54:27+00:00",
        "confirmed_at": "2018-02-12T11:02:05+00:00",
        "network": "192.0.2.0/24",
    }
    assert Subscriber.objects.get().name == "Ada Lovelace"


def test_a_bounce_of_another_service_is_as_old_as_it_was_there():
    take_in("cleaned_email_audience_export_0a1b2c.csv")
    assert Suppression.objects.get().at.isoformat() == "2020-03-23T17:30:05+00:00"


def test_no_rivals_file_brings_anybody_back():
    everybody = readers.everybody()
    take_in("mailchimp-in-one-file.csv")
    take_in("substack-email_list.csv")
    assert [readers.state_of(reader) for reader in everybody.values()] == [
        "active",
        "pending",
        "unsubscribed",
        "active",
    ]
    assert who()[DORA.email.partition("@")[0]] == "bounce"
    assert {ADA.email, BEN.email, CLEO.email, DORA.email} == set(Subscriber.objects.values_list("email", flat=True))
