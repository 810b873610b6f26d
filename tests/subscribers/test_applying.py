"""Applying the journal unsubscribes everybody who left during an outage, at the time of their click, once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone

from subscribers import applying, clicks, journal, optin, optouts, undoing
from subscribers.journal import ALL, Leaving
from subscribers.models import Consent, Subscription
from tests import readers
from tests.readers import LINK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(settings, tmp_path):
    settings.OPTOUTS = tmp_path / "optouts.log"
    return settings.LEAVING_JOURNAL


def clicked(path, reader, newsletter="weekly", ago=0.0, how="one-click"):
    at = timezone.now() - timedelta(seconds=ago)
    journal._fresh.clear()  # clicks of one test are minutes or days apart
    journal.append(path, Leaving(getattr(reader, "public_id", reader), newsletter, how, at))
    return at


def confirmed_a_while_ago(newsletter="weekly", who=readers.ADA):
    reader = readers.confirmed(newsletter, who)
    Consent.objects.filter(subscriber=reader).update(at=timezone.now() - timedelta(days=1))
    return reader


def test_who_is_in_the_journal_has_left_at_the_time_of_the_click(path):
    ada = confirmed_a_while_ago()
    at = clicked(path, ada, ago=3600)

    applied = applying.apply(path)

    assert (applied.lines, applied.left) == (1, 1)
    assert readers.state_of(ada) == "unsubscribed"
    step = ada.consents.get(step="unsubscribed")
    assert (step.at, step.how) == (at, "one-click")
    (noted,) = optouts.read(path.with_name("optouts.log"))
    assert (noted.hash, noted.newsletter, noted.at) == (ada.suppression_hash, "weekly", at)


def test_an_empty_journal_is_removed_without_a_word(path, caplog):
    path.touch()  # as a full disk leaves it
    assert applying.apply(path) is None
    assert not list(path.parent.glob("leaving.jsonl*"))[1:]
    assert not path.exists()
    assert not caplog.records


def test_an_applied_journal_has_another_name_and_what_is_applied_twice_changes_nothing(path):
    ada = confirmed_a_while_ago()
    clicked(path, ada)
    content = path.read_bytes()
    applying.apply(path)
    assert applying.apply(path) is None, "nothing waits"
    path.write_bytes(content)  # as a process that was killed before the rename left it
    assert applying.apply(path).left == 0
    assert ada.consents.filter(step="unsubscribed").count() == 1
    assert len(set(optouts.read(path.with_name("optouts.log")))) == 1


def test_a_click_before_the_newest_confirmation_is_void(path):
    ada = readers.confirmed()
    clicked(path, ada, ago=60)
    assert applying.apply(path).left == 0
    assert readers.state_of(ada) == "active"


def test_a_click_before_its_undo_is_void(path):
    ada = confirmed_a_while_ago()
    clicked(path, ada)
    left = optin.leave(ada.public_id, "weekly", readers.FORM.__class__(how="page"))
    undoing.undo(ada.public_id, "weekly", str(left.leaving), LINK)
    assert applying.apply(path).left == 0
    assert readers.state_of(ada) == "active"


def test_everything_is_left_by_one_line_and_only_by_its_reader(path):
    ada, ben = confirmed_a_while_ago(), confirmed_a_while_ago(who=readers.BEN)
    confirmed_a_while_ago("jianbao")
    clicked(path, ada, ALL, how="preferences")
    assert applying.apply(path).left == 2
    assert not Subscription.objects.filter(subscriber=ada).exclude(state="unsubscribed").exists()
    assert readers.state_of(ben) == "active"


def left_at(reader):
    return list(reader.consents.filter(step="unsubscribed").values_list("at", flat=True))


def noted(path):
    return {(optout.hash, optout.at) for optout in optouts.read(path.with_name("optouts.log"))}


def test_a_large_journal_is_applied_in_batches_and_each_click_keeps_its_time(path, monkeypatch):
    monkeypatch.setattr(applying, "BATCH", 3)
    crowd = readers.crowd(8)
    Consent.objects.update(at=timezone.now() - timedelta(days=1))
    times = {reader: clicked(path, reader, ago=60 - number) for number, reader in enumerate(crowd)}

    assert applying.apply(path).left == 8

    assert {reader: left_at(reader) for reader in crowd} == {reader: [at] for reader, at in times.items()}
    assert noted(path) == {(reader.suppression_hash, at) for reader, at in times.items()}


def test_of_several_clicks_in_one_batch_the_first_that_counts_ends_the_subscription(path):
    ada = confirmed_a_while_ago()
    clicked(path, ada, ago=2 * 86_400)  # before the confirmation
    at = clicked(path, ada, ago=60)
    clicked(path, ada, ALL, ago=30, how="preferences")
    assert applying.apply(path).left == 1
    assert left_at(ada) == [at]


@pytest.mark.parametrize("newsletter", ["weekly", ALL])
@pytest.mark.parametrize("ago", [60, -3600], ids=["", "by a clock that runs ahead"])
def test_a_crash_after_the_commit_keeps_nobody_from_the_log_of_opt_outs(path, newsletter, ago):
    ada = confirmed_a_while_ago()
    clicked(path, ada, newsletter, ago)
    content = path.read_bytes()
    applying.apply(path)
    path.with_name("optouts.log").unlink()
    path.write_bytes(content)

    assert applying.apply(path).left == 0
    [at] = left_at(ada)
    assert noted(path) == {(ada.suppression_hash, at)}


@pytest.fixture
def refused():
    """Make the database reject one subscriber's unsubscribe, as long as an index exists."""
    ada = confirmed_a_while_ago()
    Consent.objects.create(subscriber=ada, newsletter="jianbao", step="unsubscribed", how="page")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE UNIQUE INDEX left_once ON subscribers_consent (subscriber_id)"
            f" WHERE step = 'unsubscribed' AND subscriber_id = {ada.pk}"
        )
    yield ada
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS left_once")


def test_a_line_that_the_database_does_not_take_holds_up_nobody_and_stays_in_the_journal(path, refused, caplog):
    crowd = readers.crowd(4)
    Consent.objects.update(at=timezone.now() - timedelta(days=1))
    for reader in (*crowd[:2], refused, *crowd[2:]):
        clicked(path, reader)

    for _ in range(2):
        with pytest.raises(IntegrityError):
            applying.apply(path)
        assert [readers.state_of(reader) for reader in crowd] == ["unsubscribed"] * 4
        assert [len(left_at(reader)) for reader in crowd] == [1] * 4
    said = [record for record in caplog.records if "unsubscribes not applied" in record.message]
    assert [(one.lines, one.levelname) for one in said] == [(1, "ERROR")] * 2

    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX left_once")
    assert applying.apply(path).left == 1
    assert readers.state_of(refused) == "unsubscribed"
    assert not path.exists()


def test_a_database_that_is_away_is_not_asked_for_each_line(path, monkeypatch):
    for reader in readers.crowd(3):
        clicked(path, reader)
    asked = []

    def away(leavings):
        asked.append(len(leavings))
        raise OperationalError

    monkeypatch.setattr(clicks, "leave_all", away)
    with pytest.raises(OperationalError):
        applying.apply(path)
    assert asked == [3]
    assert path.exists()


def test_who_was_erased_meanwhile_is_skipped(path):
    ada = confirmed_a_while_ago()
    clicked(path, uuid4())
    clicked(path, ada)
    assert applying.apply(path).left == 1


def test_a_line_that_cannot_be_read_is_kept_aside_and_said_and_holds_up_nobody(path, caplog):
    ada, ben = confirmed_a_while_ago(), confirmed_a_while_ago(who=readers.BEN)
    clicked(path, ada)
    with path.open("ab") as file:
        file.write(b"nonsense\n\xff\xfe\n")
    clicked(path, ben)
    with path.open("ab") as file:
        file.write(b'{"public_id": "01')  # a process was killed while it wrote

    assert (applying.apply(path).left, applying.apply(path)) == (2, None)

    aside = path.with_name("leaving.unreadable")
    assert aside.read_bytes() == b'nonsense\n\xff\xfe\n{"public_id": "01\n'
    assert aside.stat().st_mode & 0o777 == 0o600
    (said,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (said.lines, said.kept_in) == (3, "leaving.unreadable")


def test_a_clock_that_runs_ahead_dates_nobody_into_the_future(path):
    ada = confirmed_a_while_ago()
    clicked(path, ada, ago=-3600)
    applying.apply(path)
    assert ada.consents.get(step="unsubscribed").at <= timezone.now()


def test_another_process_of_this_home_that_applies_it_is_left_alone(path):
    clicked(path, confirmed_a_while_ago())
    with journal.alone(path) as alone:
        assert alone
        assert applying.apply(path) is None
    assert applying.apply(path).left == 1


def test_journals_applied_a_month_ago_are_forgotten(path):
    import os

    old, new = (path.with_name(f"leaving.jsonl.applied-{number}") for number in range(2))
    old.touch()
    new.touch()
    long_ago = timezone.now().timestamp() - 31 * 86_400
    os.utime(old, (long_ago, long_ago))
    clicked(path, confirmed_a_while_ago())
    applying.apply(path)
    assert (old.exists(), new.exists()) == (False, True)
