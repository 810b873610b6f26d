"""Operators see waiting unsubscribes wherever they wait, and web processes that died with some."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from mailer.cli.doctor import here
from mailer.models import Process
from mailer.store import clock, journals
from subscribers import journal
from subscribers.journal import Leaving
from tests.exhausting import no_room

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_home_of_its_own(settings, tmp_path):
    settings.HOME = tmp_path
    journals.home_id.cache_clear()
    yield
    journals.home_id.cache_clear()


def leave(settings, ago: float = 0.0) -> None:
    at = timezone.now() - timedelta(seconds=ago)
    journal.append(settings.LEAVING_JOURNAL, Leaving(uuid4(), "weekly", "one-click", at))


def web(seconds_ago: float, home: str = "", lines: int = 0, **state) -> Process:
    seen = clock.now() - timedelta(seconds=seconds_ago)
    state = {"home": home or str(uuid4()), "leaving_lines": lines, "leaving_since": None} | state
    return Process.objects.create(kind="web", host="web-1", pid=7, started_at=seen, seen_at=seen, state=state)


def test_what_waits_here_and_elsewhere_is_counted_once(settings):
    leave(settings, ago=300)
    leave(settings)
    since = (timezone.now() - timedelta(hours=1)).isoformat()
    there = web(2, lines=3, leaving_since=since)
    web(1, there.state["home"], lines=3, leaving_since=since)
    web(1, **journals.state(), lines=9)  # of this home, which is read itself
    found = journals.look(clock.now())
    assert (found.lines, found.since.isoformat(), found.missing) == (5, since, ())


def test_a_web_process_that_died_is_missed_until_one_runs_in_its_home():
    died = web(120)
    assert journals.look(clock.now()).missing == (died,)
    assert here.leavings().state == "warning"
    assert "web-1" in here.leavings().detail
    web(1, died.state["home"])
    assert journals.look(clock.now()).missing == ()
    assert here.leavings().state == "ok"


def test_two_homes_of_one_host_are_told_apart():
    web(120, folder="/srv/one")
    web(120, folder="/srv/two")
    words = here.leavings().detail
    assert "web-1:/srv/one" in words
    assert "web-1:/srv/two" in words
    assert "mailer doctor --forget-missing" in words


def test_where_no_journal_is_kept_nobody_is_missed(settings):
    settings.LEAVING_JOURNAL = None
    assert journals.state() == {}
    Process.objects.create(kind="web", host="a", pid=1, started_at=timezone.now(), seen_at=clock.now() - timedelta(1))
    assert journals.look(clock.now()) == journals.Journals(0, None, ())


def test_doctor_and_metrics_show_what_waits(client, settings):
    leave(settings, ago=90)
    assert here.leavings().detail.startswith("1 subscriber waiting since")
    body = client.get("/metrics").content.decode()
    assert "mailer_leavings_waiting 1.0" in body
    assert "mailer_leavings_oldest_seconds 9" in body
    assert "mailer_web_processes_missing 0.0" in body


def test_readyz_names_leavings_that_should_be_applied_by_now(client, settings):
    leave(settings)
    assert client.get("/readyz").status_code == 200, "it takes some seconds"
    settings.LEAVING_JOURNAL.unlink()
    leave(settings, ago=90)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "leavings": "wait"})


def test_who_only_looks_makes_no_file_in_the_home(tmp_path):
    journals.look(clock.now())
    assert not (tmp_path / "home-id").exists()


def test_a_home_id_that_found_no_room_is_made_when_there_is_some(tmp_path):
    with no_room(), pytest.raises(OSError, match="home-id"):
        journals.home_id()
    made = journals.home_id()
    assert (tmp_path / "home-id").read_text() == str(made)


def test_all_processes_of_one_home_name_the_same_home(tmp_path):
    first = journals.home_id()
    journals.home_id.cache_clear()
    assert journals.home_id() == first
    assert (tmp_path / "home-id").stat().st_mode & 0o777 == 0o600
