"""A restored backup must email nobody a second time, and resubscribe nobody."""

import errno
import json
import stat
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone

from mailer.models import Installation, Send
from mailer.sending import restore_guard
from mailer.sending.high_water_mark import remember
from mailer.sending.restore_guard import Restored, adopt, check, count_attempt
from mailer.store.installation import public_id
from subscribers import optin
from subscribers.models import Suppression
from tests import readers
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_log(settings, tmp_path):
    settings.OPTOUTS = tmp_path / "optouts.log"


def put_back(attempts: int) -> None:
    """Restore a database that had made this many attempts."""
    Installation.objects.update(attempts=attempts)


def seen(settings) -> dict[str, int]:
    return json.loads((settings.HOME / "attempts.json").read_text())


def test_attempts_are_counted_and_the_home_remembers_the_highest(settings):
    for expected in (1, 2, 3):
        assert count_attempt() == expected
        remember(expected)
    remember(2)
    assert seen(settings) == {public_id(): 3}
    assert stat.S_IMODE((settings.HOME / "attempts.json").stat().st_mode) == 0o600
    check()


def test_a_file_that_lags_is_fine(settings):
    count_attempt()
    remember(1)
    count_attempt()  # and the power went
    check()
    assert count_attempt() == 3


@pytest.mark.django_db(transaction=True)
def test_a_number_that_was_rolled_back_is_given_again():
    with transaction.atomic():
        count_attempt()
        transaction.set_rollback(True)
    with transaction.atomic():
        assert count_attempt() == 1


def test_a_database_older_than_the_home_makes_no_attempt_and_says_which_command_helps():
    remember(7)
    put_back(4)
    with pytest.raises(Restored, match=r"lacks 3 .*mailer doctor --adopt"):
        count_attempt()
    put_back(4)
    with pytest.raises(ImproperlyConfigured, match=r"attempts\.json"):
        check()


def test_another_database_in_the_same_home_is_not_taken_for_a_restored_one(settings):
    (settings.HOME / "attempts.json").write_text('{"another-installation": 1000}')
    assert count_attempt() == 1
    remember(1)
    assert seen(settings) == {"another-installation": 1000, public_id(): 1}


UNREADABLE = ["", "{", "[]", '{"x": "many"}', '{"x": 1.5}', '{"x": 12', "\ufffd", "[" * 60_000]


@pytest.mark.parametrize("content", UNREADABLE)
def test_a_file_that_cannot_be_read_closes_the_guard_until_somebody_adopts(settings, content, four):
    (settings.HOME / "attempts.json").write_text(content)
    with pytest.raises(Restored, match=r"attempts\.json cannot be read .*mailer doctor --adopt"):
        check()
    with pytest.raises(Restored), transaction.atomic():
        count_attempt()
    remember(5)
    assert (settings.HOME / "attempts.json").read_text() == content

    found = adopt()

    assert found.paused == (four.slug,)
    assert "mailer resume" in Send.objects.get(pk=four.pk).reason
    assert (settings.HOME / "attempts.unreadable").read_text() == content
    check()
    assert count_attempt() == 1


def test_a_folder_in_the_place_of_the_file_closes_the_guard(settings):
    (settings.HOME / "attempts.json").mkdir()
    with pytest.raises(Restored, match="Is a directory"):
        check()
    adopt()
    check()


def test_a_file_that_this_user_may_not_read_closes_the_guard(settings, monkeypatch):
    remember(5)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(Restored, match="Permission denied"):
        check()


def test_a_missing_file_descriptor_is_not_a_sign_of_a_restored_backup(settings, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        check()


@pytest.mark.parametrize("content", ["not one\nline of it\n", "\0" * 10 + "\n" + "\0" * 10 + "\n"])
def test_a_log_of_opt_outs_without_a_readable_line_closes_the_guard(settings, content):
    settings.OPTOUTS.write_text(content)
    with pytest.raises(Restored, match=r"optouts\.log cannot be read .*move the file away"):
        check()


def test_a_folder_in_the_place_of_the_log_of_opt_outs_closes_the_guard(settings):
    settings.OPTOUTS.mkdir()
    with pytest.raises(Restored, match=r"optouts\.log cannot be read"):
        check()


def test_a_torn_first_line_of_the_log_of_opt_outs_stops_nobody(settings):
    settings.OPTOUTS.write_text('{"hash": "55')
    check()


def test_a_home_that_cannot_be_written_stops_nobody_and_says_so_once(settings, caplog):
    settings.HOME = settings.HOME / "gone"
    remember(count_attempt())
    remember(count_attempt())
    assert caplog.text.count("attempt count not saved") == 1


def test_many_at_once_never_lower_the_number(settings):
    public_id()  # asked once a process; the threads have no database here
    threads = [
        outgoing.in_thread(lambda start=start: [remember(n) for n in range(start, 100, 8)]) for start in range(1, 9)
    ]
    for thread in threads:
        thread.join()
    assert seen(settings) == {public_id(): 99}


def test_adopting_counts_on_from_the_home_and_replays_who_left(settings):
    ada = readers.confirmed()
    left_at = (timezone.now() + timedelta(seconds=1)).isoformat()
    line = {"hash": ada.suppression_hash, "newsletter": "weekly", "reason": "unsubscribed", "at": left_at}
    settings.OPTOUTS.write_text(json.dumps(line) + "\n")
    remember(7)
    put_back(4)

    found = adopt()

    assert (found.forgotten, found.optouts.left, found.paused) == (3, 1, ())
    assert readers.state_of(ada) == "unsubscribed"
    check()
    assert count_attempt() == 8
    assert adopt().forgotten == 0


def line_of(reader, reason: str, after: float) -> str:
    at = (timezone.now() + timedelta(seconds=after)).isoformat()
    newsletter = "weekly" if reason == "unsubscribed" else ""
    return json.dumps({"hash": reader.suppression_hash, "newsletter": newsletter, "reason": reason, "at": at}) + "\n"


@pytest.mark.parametrize("reason", ["unsubscribed", "erased", "complaint", "manual", "bounce"])
def test_a_database_that_would_mail_somebody_who_left_since_is_a_restored_one(settings, reason):
    ada = readers.confirmed()
    settings.OPTOUTS.write_text("half a line\n" + line_of(ada, reason, after=1))
    with pytest.raises(Restored, match=r"unsubscribed since then \(1\) .*mailer doctor --adopt"):
        check()
    adopt()
    check()


def test_opt_outs_that_the_database_knows_or_outlived_stop_nobody(settings):
    ada = readers.confirmed()
    settings.OPTOUTS.write_text(
        line_of(ada, "unsubscribed", after=-60)
        + line_of(ada, "erased", after=-60)
        + line_of(Stranger, "erased", after=1)
    )
    check()
    Suppression.objects.create(hash=ada.suppression_hash, reason="bounce")
    settings.OPTOUTS.write_text(line_of(ada, "unsubscribed", after=1))
    check()


class Stranger:
    """Somebody from another installation whose log was here, or who joined and left since the backup."""

    suppression_hash = "5" * 64


def test_of_a_long_log_the_newest_opt_outs_count(settings):
    ada = readers.confirmed()
    long = "".join(line_of(Stranger, "unsubscribed", after=1) for _ in range(300))
    settings.OPTOUTS.write_text(long + line_of(ada, "unsubscribed", after=1))
    with pytest.raises(Restored):
        check()


def test_adopting_pauses_what_was_under_way_because_some_may_have_the_mail(four):
    remember(2)
    assert adopt().paused == (four.slug,)
    four.refresh_from_db()
    assert four.state == Send.State.PAUSED
    assert "lacks 2" in four.reason
    assert "mailer resume" in four.reason


def test_adopting_a_database_that_forgot_nothing_pauses_nothing(four):
    assert (adopt().forgotten, adopt().paused) == (0, ())
    four.refresh_from_db()
    assert four.state == Send.State.SENDING


def test_a_schedule_of_the_backup_whose_time_is_over_is_paused_and_one_to_come_is_not(api):
    readers.crowd(1)
    over, to_come = outgoing.planned(slug="over"), outgoing.planned(slug="to-come")
    now = timezone.now()
    for send, due in ((over, now - timedelta(minutes=5)), (to_come, now + timedelta(days=1))):
        Send.objects.filter(pk=send.pk).update(state=Send.State.SCHEDULED, due_at=due)
    remember(1)
    assert adopt().paused == ("over",)


@pytest.mark.django_db(transaction=True)
def test_two_who_claim_at_once_get_different_numbers():
    got: list[int] = []

    def take() -> None:
        for _ in range(20):
            with transaction.atomic():
                number = count_attempt()
            remember(number)
            got.append(number)

    public_id()
    threads = [outgoing.in_thread(take) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 81))
    check()


def test_unsubscribing_goes_on_while_the_database_is_refused():
    remember(7)
    ada = readers.confirmed()
    assert optin.unsubscribe(ada.public_id, "weekly", readers.LINK)
    with pytest.raises(Restored):
        restore_guard.check()
