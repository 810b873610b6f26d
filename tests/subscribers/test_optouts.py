import json
import os
import stat
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from subscribers import erasing, optin, optouts, signed_links, undoing
from subscribers.addresses import parse
from subscribers.files.importing import import_csv
from subscribers.models import Subscriber, Subscription, Suppression
from subscribers.optin import Origin
from subscribers.replaying import Replayed, forgotten, replay
from tests import readers

FLO = readers.Named("Flo", "flo@readers.example")
NOTHING = Replayed()


@pytest.fixture
def log(settings, tmp_path):
    settings.OPTOUTS = tmp_path / "optouts.log"
    return settings.OPTOUTS


@pytest.fixture
def committed(log, transactional_db):
    """Let commits be real, because the log follows them."""
    from tests.installing import an_installation

    an_installation()
    return log


def written(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def write(log, reader, newsletter="weekly", reason="unsubscribed", **ago):
    """Write a line as the log contained it when the database was younger."""
    hash = reader if isinstance(reader, str) else reader.suppression_hash
    at = (timezone.now() - timedelta(**ago)).isoformat()
    with log.open("a") as file:
        file.write(json.dumps({"hash": hash, "newsletter": newsletter, "reason": reason, "at": at}) + "\n")


# -------------------------------------------------------------- writing


def test_leaving_or_suppression_is_logged_without_an_address(committed):
    cleo, dora = readers.unsubscribed(), readers.bounced()
    assert [(line["hash"], line["newsletter"], line["reason"]) for line in written(committed)] == [
        (cleo.suppression_hash, "weekly", "unsubscribed"),
        (dora.suppression_hash, "", "bounce"),
    ]
    assert "@" not in committed.read_text()
    assert stat.S_IMODE(committed.stat().st_mode) == 0o600


def test_leaving_twice_is_one_line(committed):
    cleo = readers.unsubscribed()
    optin.unsubscribe(cleo.public_id, "weekly", readers.LINK)
    assert len(written(committed)) == 1


def test_what_was_rolled_back_is_not_in_the_log(committed):
    ada = readers.confirmed()
    with transaction.atomic():
        optin.unsubscribe(ada.public_id, "weekly", readers.LINK)
        transaction.set_rollback(True)
    assert not committed.exists()


def test_rows_of_a_file_that_leave_are_in_the_log(committed, tmp_path):
    ada = readers.confirmed()
    file = tmp_path / "readers.csv"
    file.write_text(f"email,state\n{ada.email},unsubscribed\n{FLO.email},unsubscribed\nx@readers.example,complained\n")
    import_csv(file, "weekly", None, "tests")
    lines = [(line["hash"], line["reason"]) for line in written(committed)]
    assert {hash for hash, reason in lines if reason == "unsubscribed"} >= {
        ada.suppression_hash,
        signed_links.suppression_hash(FLO.email),
    }
    assert (signed_links.suppression_hash("x@readers.example"), "complaint") in lines


def test_a_full_disk_refuses_nobody_who_leaves(committed, settings, caplog):
    settings.OPTOUTS = "/dev/full"
    ada = readers.confirmed()
    assert optin.unsubscribe(ada.public_id, "weekly", readers.LINK)
    assert readers.state_of(ada) == "unsubscribed"
    assert "not written to the opt-out log" in caplog.text


def test_half_a_line_that_a_full_disk_left_does_not_spoil_the_next(committed):
    committed.write_text('{"hash": "ab')
    cleo = readers.unsubscribed()
    assert [line and line.hash for line in optouts.read(committed)] == [None, cleo.suppression_hash]


# -------------------------------------------------------------- replaying


@pytest.mark.django_db
def test_a_log_that_the_database_knows_changes_nothing(log):
    cleo, dora = readers.unsubscribed(), readers.bounced()
    write(log, cleo, seconds=60)
    write(log, dora, "", "bounce")
    before = readers.history_of(cleo), readers.history_of(dora)
    found = replay(log)
    assert (found.lines, found.left, found.suppressed) == (2, 0, 0)
    assert (readers.history_of(cleo), readers.history_of(dora)) == before


def test_whatever_readers_and_operators_do_the_log_knows_of_nobody_who_would_be_mailed_all_the_same(committed, clock):
    ada, ben, here = readers.confirmed(), readers.confirmed(who=readers.BEN), Origin(how="command")

    for step in (
        lambda: optin.unsubscribe(ada.public_id, "weekly", here),
        lambda: undoing.undo(ada.public_id, "weekly", "1", here),
        lambda: optin.suppress(ada.suppression_hash, "complaint", here),
        lambda: optin.lift(ada.suppression_hash, here),
        lambda: optin.suppress(ada.suppression_hash, "bounce", here),
        lambda: readers.confirmed("weekly", readers.ADA),
        lambda: erasing.forget(readers.ADA.email, here),
        lambda: readers.confirmed("another", readers.ADA),
        lambda: optin.unsubscribe(ben.public_id, "weekly", here),
        lambda: readers.move(ben, "ben@new.example"),
        lambda: readers.move(ben, readers.BEN.email),
    ):
        clock.forward(days=8)
        step()
        assert forgotten(committed) == 0
    ben.refresh_from_db()
    assert (ben.email, readers.suppression_of(ben)) == (readers.BEN.email, None)
    replay(committed)
    assert readers.suppression_of(ben) is None, "they came back to their old address by themselves"
    assert Subscriber.objects.filter(pk=ben.pk).exists()


@pytest.mark.django_db
def test_readers_who_left_after_the_backup_have_left_again_and_once(log, clock):
    ada, ben = readers.confirmed(), readers.pending()
    clock.forward(hours=1)
    write(log, ada)
    write(log, ben)
    write(log, ada, "", "complaint")
    assert replay(log) == Replayed(lines=3, left=2, suppressed=1)
    assert (readers.state_of(ada), readers.state_of(ben)) == ("unsubscribed", "unsubscribed")
    assert readers.suppression_of(ada) == "complaint"
    assert ("unsubscribed", "restore") in readers.history_of(ada)
    assert replay(log) == Replayed(lines=3)


@pytest.mark.django_db
def test_an_opt_out_before_a_later_confirmation_does_nothing(log, clock):
    ada, dora = readers.confirmed(), readers.confirmed(who=readers.DORA)
    write(log, ada, days=1)
    write(log, dora, "", "bounce", days=1)
    found = replay(log)
    assert (found.left, found.suppressed) == (0, 0)
    assert (readers.state_of(ada), readers.suppression_of(dora)) == ("active", None)


@pytest.mark.django_db
def test_a_complaint_is_outlived_by_an_operators_word_only(log, clock):
    ada, dora = readers.confirmed(), readers.bounced()
    optin.lift(dora.suppression_hash, Origin(how="command"))
    for reader in (ada, dora):
        write(log, reader, "", "complaint", days=1)
    assert replay(log).suppressed == 1
    assert (readers.suppression_of(ada), readers.suppression_of(dora)) == ("complaint", None)


@pytest.mark.django_db
def test_a_reader_who_asks_again_after_leaving_stays_pending(log, clock):
    cleo = readers.unsubscribed()
    write(log, cleo)
    clock.forward(days=1)
    readers.pending(who=readers.CLEO)
    assert replay(log).left == 0
    assert readers.state_of(cleo) == "pending"


@pytest.mark.django_db
def test_a_newsletter_that_a_reader_joined_and_left_after_the_backup_stays_left(log):
    ada = readers.confirmed()
    write(log, ada, "monthly")
    assert replay(log).left == 1
    assert (readers.state_of(ada, "monthly"), readers.state_of(ada)) == ("unsubscribed", "active")
    assert replay(log).left == 0


@pytest.mark.django_db
def test_no_file_brings_back_whom_the_database_forgot_and_their_own_confirmation_does(log, tmp_path):
    hash = signed_links.suppression_hash(parse(FLO.email).key)
    write(log, hash)
    assert replay(log) == Replayed(lines=1, left=1)
    assert replay(log) == Replayed(lines=1)

    file = tmp_path / "readers.csv"
    file.write_text(f"email\n{FLO.email}\n")
    assert import_csv(file, "weekly", "active", "tests").suppressed == 1
    flo = readers.confirmed(who=FLO)
    assert Subscription.objects.deliverable().filter(subscriber=flo).exists()


@pytest.mark.django_db
def test_whom_an_older_backup_still_holds_is_erased_again_and_who_came_back_since_stays(log, clock):
    ada = readers.confirmed()
    optin.suppress(ada.suppression_hash, "complaint", readers.LINK)
    clock.forward(hours=1)
    for reader in (ada, readers.DORA):
        write(log, getattr(reader, "suppression_hash", signed_links.suppression_hash(reader.email)), "", "erased")
    dora = readers.pending(who=readers.DORA)
    Subscriber.objects.filter(pk=dora.pk).update(created_at=timezone.now() + timedelta(hours=1))
    replay(log)
    assert list(Subscriber.objects.all()) == [dora]
    assert readers.suppression_of(ada) == "complaint"
    assert Suppression.objects.get(hash=ada.suppression_hash).erased_how == "restore"
    assert replay(log).suppressed == 0


@pytest.mark.django_db
def test_lines_that_cannot_be_read_are_counted_and_passed_over(log):
    ada = readers.confirmed()
    log.write_bytes(b"\xff\xfe\n[]\n" + b"[" * 5000 + b'\n{"hash": "ab", "newsletter": "", "reason": "x", "at": 3}\n')
    write(log, ada)
    write(log, "ab" * 32, "", "a reason of a later version")
    with log.open("a") as file:
        file.write('{"hash": "cd')
    found = replay(log)
    assert (found.left, found.suppressed) == (1, 0)
    assert found.unreadable >= 4
    assert not Suppression.objects.filter(hash="ab" * 32).exists()


@pytest.mark.django_db
def test_a_log_that_is_not_there_is_an_empty_one(log):
    assert replay(log) == NOTHING


def test_many_who_leave_at_once_write_whole_lines(committed):
    processes = []
    at = timezone.now()
    for number in range(8):
        pid = os.fork()
        if not pid:
            lines = "".join(optouts._line(optouts.OptOut(f"{number}-{n}" * 20, "", "bounce", at)) for n in range(50))
            optouts._append(lines.encode())
            os._exit(0)
        processes.append(pid)
    for pid in processes:
        os.waitpid(pid, 0)
    assert len([line for line in optouts.read(committed) if line]) == 400
