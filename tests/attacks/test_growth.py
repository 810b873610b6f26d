"""Nothing grows without limit because a script presses a link's button a hundred times a second."""

import json
import re
import tracemalloc
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailer.cli.subscribers import subscribers
from subscribers import change_limits, journal, records
from subscribers.files.exporting import rows
from subscribers.journal import Leaving
from subscribers.models import Consent, Subscriber
from subscribers.optin import Origin
from tests import readers
from tests.readers import ADA
from tests.subscribers.conftest import clock  # noqa: F401 — the same clock
from tests.subscribers.paths import confirm_path, data_path, leave_path, preferences_path, undo_in
from tests.subscribers.web.test_views import form_time

pytestmark = pytest.mark.django_db
ROWS = 100_000


def save(client, reader, **form):
    return client.post(preferences_path(reader), {"do": "save", "had": "weekly", "newsletter": "weekly", **form})


def with_history(rows: int) -> Subscriber:
    """Create a subscriber with this many more steps, as older versions stored each change of language."""
    reader = readers.confirmed()
    origin = Origin(
        how="preferences", source="https://news.example.com/preferences/…/", language="en", ip="192.0.2.0/24"
    )
    steps = [(reader.pk, step, "") for step in (Consent.Step.CHANGED, Consent.Step.REQUESTED)] * 50
    for chunk in range(rows // len(steps)):
        records.record_all(steps, "weekly", origin, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=chunk))
    return reader


def peak_of(work) -> int:
    """Return the peak of memory in bytes, above the start."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------- what a signed link repeats


def test_who_toggles_the_language_leaves_one_row_and_is_stopped_for_an_hour(client, clock):  # noqa: F811
    reader = readers.confirmed()
    answers = []
    for press in range(100):
        answers.append(save(client, reader, language=("zh-hans", "en")[press % 2]))
        clock.forward(seconds=1)
    assert Subscriber.objects.get().changes == change_limits.CHANGES_AN_HOUR
    refused = [answer for answer in answers[change_limits.CHANGES_AN_HOUR :] if answer.status_code != 200]
    assert {(answer.status_code, answer["Retry-After"]) for answer in refused} == {(429, "3600")}
    assert "changed too often" in refused[0].text
    assert Consent.objects.filter(step="changed").count() == 1
    clock.forward(minutes=59)
    assert save(client, reader, language="zh-hans").status_code == 200


def test_each_kind_of_change_that_is_not_consent_keeps_only_its_last_row(client, clock):  # noqa: F811
    reader = readers.confirmed()
    for number in range(6):
        client.post(data_path(reader), {"do": "rename", "name": f"Ada {number}"})
        client.post(data_path(reader), {"do": "move", "email": f"ada{number}@elsewhere.example"})
        client.post(preferences_path(reader), {"do": "link"})
        save(client, reader, language=("zh-hans", "en")[number % 2])
        clock.forward(minutes=20)
    client.post(data_path(reader), {"do": "export"})
    kept = Consent.objects.filter(step="changed").values_list("about", flat=True)
    assert sorted(kept) == ["address", "copy", "language", "link", "name"]


def test_a_leaving_is_never_refused_whatever_was_used_up(client):
    reader = readers.confirmed()
    Subscriber.objects.update(
        changes=change_limits.CHANGES_AN_HOUR, changes_since=reader.created_at + timedelta(minutes=1)
    )
    answer = client.post(preferences_path(reader), {"do": "save", "had": "weekly", "language": "zh-hans"})
    assert answer.status_code == 429
    assert readers.state_of(reader) == "unsubscribed"
    ben = readers.confirmed(who=readers.BEN)
    Subscriber.objects.update(
        changes=change_limits.CHANGES_AN_HOUR, changes_since=ben.created_at + timedelta(minutes=1)
    )
    assert client.post(leave_path(ben)).status_code == 200
    assert readers.state_of(ben) == "unsubscribed"


def test_a_copy_of_everything_is_made_three_times_an_hour(client):
    reader = readers.confirmed()
    answers = [client.post(data_path(reader), {"do": "export"}).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]


def test_nothing_is_used_up_by_a_form_that_changes_nothing(client):
    reader = readers.confirmed()
    for _ in range(2 * change_limits.CHANGES_AN_HOUR):
        assert save(client, reader, language="en").status_code == 200
    assert Subscriber.objects.get().changes == 0


def test_who_leaves_again_and_again_while_the_database_is_away_adds_a_line_in_ten_seconds(tmp_path, monkeypatch):
    path, now = tmp_path / "leaving.jsonl", [1000.0]
    monkeypatch.setattr(journal.time, "monotonic", lambda: now[0])
    ada = Leaving(uuid.uuid4(), "weekly", "one-click", datetime.now(UTC))
    for _ in range(100):
        journal.append(path, ada)
    journal.append(path, Leaving(uuid.uuid4(), "weekly", "one-click", datetime.now(UTC)))
    assert journal.waiting(path).lines == 2
    now[0] += journal.AGAIN_AFTER
    journal.append(path, ada)
    assert journal.waiting(path).lines == 3


def test_a_click_after_its_journal_was_applied_has_a_line_in_the_next_one(tmp_path):
    path = tmp_path / "leaving.jsonl"
    ada = Leaving(uuid.uuid4(), "weekly", "one-click", datetime.now(UTC))
    journal.append(path, ada)
    assert journal.rename_if_read(path, path.stat().st_size, "leaving.applied")
    journal.append(path, ada)
    assert journal.waiting(path).lines == 1


def rows_in_all_tables() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in apps.get_models() if model._meta.managed}


def press_everything(client, reader, number: int) -> None:
    """Press each button of each page behind a signed link, and post the sign-up form with the same address."""
    preferences, data = preferences_path(reader), data_path(reader)
    language = ("zh-hans", "en")[number % 2]
    client.post(preferences, {"do": "save", "had": "weekly", "newsletter": ["weekly", "jianbao"], "language": language})
    client.post(preferences, {"do": "save", "had": ["weekly", "jianbao"]})
    client.post(preferences, {"do": "save", "newsletter": ["weekly", "jianbao"]})
    client.post(preferences, {"do": "link"})
    client.post(data, {"do": "rename", "name": f"Ada {number}"})
    client.post(data, {"do": "move", "email": f"ada{number}@elsewhere.example"})
    client.post(data, {"do": "export"})
    client.post(confirm_path(reader))
    client.post(confirm_path(reader, "jianbao"))
    if undo := undo_in(client.post(leave_path(reader), {"from": "page"})):
        client.post(undo)
    client.post(leave_path(reader))
    client.post("/subscribe/", {"email": ADA.email, "form_time": form_time()})


@pytest.mark.slow
def test_no_button_of_any_link_makes_rows_without_end(client, clock):  # noqa: F811
    reader = readers.confirmed()
    counted = []
    for number in range(45):
        press_everything(client, reader, number)
        clock.forward(minutes=1)
        counted.append(rows_in_all_tables())
    assert counted[-1] == counted[25]
    clock.forward(days=1)
    before = counted[-1]["Consent"]
    for number in range(45):
        press_everything(client, reader, number)
        clock.forward(minutes=1)
    assert rows_in_all_tables()["Consent"] - before < 30


# ---------------------------------------------------------------- a history of 100,000 steps


# Python counts each piece of memory twenty times slower than it takes it.
MANY = (pytest.param(ROWS // 20), pytest.param(ROWS, marks=pytest.mark.slow))


@pytest.fixture
def long() -> Subscriber:
    return with_history(ROWS)


@pytest.mark.parametrize("many", MANY)
def test_a_copy_of_a_long_history_holds_all_of_it_and_little_memory(client, many):
    path = data_path(with_history(many))
    count, size = 0, 0

    def take():
        nonlocal count, size
        answer = client.post(path, {"do": "export"})
        for piece in answer.streaming_content:
            count += piece.count(b"\n")
            size += len(piece)

    assert peak_of(take) < 5_000_000
    assert size > 200 * many
    assert count > many  # a line each


def test_admin_shows_a_page_of_a_long_history_by_few_queries(client, long):
    client.force_login(User.objects.create_superuser("operator"), backend="django.contrib.auth.backends.ModelBackend")
    path = f"/admin/subscribers/subscriber/{long.pk}/change/"
    with CaptureQueriesContext(connection) as asked:
        newest = client.get(path).text
    assert "Confirmed" in newest
    assert newest.count('<tr class="form-row">') == 50 + 1
    assert f"1 to 50 of {ROWS + 2} steps" in re.sub(r"\s+", " ", newest)
    assert len(asked) < 20
    assert all("LIMIT" in one["sql"] or "COUNT" in one["sql"] for one in asked if "subscribers_consent" in one["sql"])
    assert "?history=3#history" in client.get(f"{path}?history=2").text
    assert f"to {ROWS + 2} of" in client.get(f"{path}?history=99999").text


def test_show_pages_a_long_history_and_a_pipe_gets_all_of_it(long, up_to_date):
    def run(*given):
        return CliRunner().invoke(subscribers, ["show", ADA.email, *given])

    with CaptureQueriesContext(connection) as asked:
        newest = run("--page", "1")
    assert len(newest.stdout.splitlines()) == 2 + 50 + 1  # the last step has its wording below it
    assert f"50 of {ROWS + 2} steps; --page 2 shows earlier ones" in newest.stderr
    assert all("LIMIT" in one["sql"] or "COUNT" in one["sql"] for one in asked if "subscribers_consent" in one["sql"])
    assert len(run("--page", "2").stdout.splitlines()) == 2 + 50
    assert run("--page", "2003").exit_code == 2


def test_a_copy_that_finds_no_room_on_the_disk_says_so_and_the_log_names_what_is_full(client, monkeypatch, caplog):
    reader = with_history(100)
    monkeypatch.setattr("subscribers.web.my_data.IN_MEMORY", 1000)
    monkeypatch.setattr("tempfile.tempdir", "/proc/no-room")
    answer = client.post(data_path(reader), {"do": "export"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert "no space in TMPDIR" in caplog.text


@pytest.mark.parametrize("many", MANY)
def test_the_export_of_all_readers_holds_little_memory_whatever_the_history(many):
    with_history(many)
    assert peak_of(lambda: list(rows("weekly"))) < 5_000_000
    assert next(rows("weekly"))["email"] == ADA.email


def test_the_json_of_show_is_whole(up_to_date):
    with_history(2500)
    held = json.loads(CliRunner().invoke(subscribers, ["show", ADA.email, "--json"]).stdout)
    assert len(held["history"]) == Consent.objects.count()
    assert [step["at"] for step in held["history"]] == sorted(step["at"] for step in held["history"])
