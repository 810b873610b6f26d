"""After kill -9, repeating a command on subscribers, corrections or restored databases ends as if it never died."""

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.processes import dying
from tests.processes.stage import Stage, new_postgres_database, wait_until
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow
ISSUE = "issues/2026-11-20.md"


@pytest.fixture
def sent(embedded: Stage, for_real: dict[str, str]) -> Stage:
    """Send an issue to five subscribers."""
    embedded.import_readers({"active": 5})
    embedded.settings |= for_real
    embedded.send(ISSUE)
    return embedded


def home(stage: Stage) -> Path:
    return Path(stage.environment()["MAILER_HOME"])


def change(stage: Stage, statement: str) -> None:
    """Change the database, which is SQLite, as another time or process would have left it."""
    with closing(sqlite3.connect(home(stage) / "mailer.sqlite3")) as connection, connection:
        connection.execute(statement)


def killed_before_each_write(stage: Stage, question: str, *arguments: str) -> list[dict[str, Any]]:
    """Return what the database said after each kill and, last, after the round that was not killed."""
    usual, stage.command = stage.command, [stage.python, "-P", dying.__file__, question]
    lines = stage.run(*arguments).out.splitlines()
    stage.command = usual
    found = [json.loads(line) for line in lines if line.startswith('{"before"')]
    assert len(found) > 2, "it writes, so it was killed"
    return found


def kill(stage: Stage, process: "subprocess.Popen[str]") -> None:
    assert process.poll() is None, f"it was over before it could be killed\n{stage.logs()}"
    stage.stop(process, signal.SIGKILL)


# ---------------------------------------------------------------- readers from a file

EACH = """
    SELECT s.email, w.state, (SELECT count(*) FROM subscribers_consent c WHERE c.subscriber_id = s.id)
    FROM subscribers_subscriber s LEFT JOIN subscribers_subscription w ON w.subscriber_id = s.id ORDER BY s.email
"""
TAKEN_IN = """
    SELECT (SELECT count(*) FROM subscribers_subscriber), (SELECT count(*) FROM subscribers_subscription),
           (SELECT count(*) FROM subscribers_consent)
"""


IN_SMALL_STEPS = """
import django; django.setup()
from subscribers.files import staging; staging.CHUNK = 1000
from mailer.cli import main; main()
"""


def crowd(number: int) -> list[str]:
    return [f"reader-{count:05d}@readers.example" for count in range(number)]


def a_file(folder: Path, people: list[str]) -> tuple[str, ...]:
    """Return the command that imports a file with these subscribers, all of them active."""
    path = folder / "readers.csv"
    path.write_text("\n".join(["email", *people]))
    return ("subscribers", "import", str(path), "--state", "active", "--yes")


def test_an_import_killed_at_each_write_takes_in_everybody_once(embedded: Stage, tmp_path: Path):
    left = embedded.import_readers({"unsubscribed": 2})["unsubscribed"]
    people, scratch = crowd(2500), tmp_path / "scratch"
    scratch.mkdir()
    embedded.settings["TMPDIR"] = str(scratch)

    rounds = killed_before_each_write(embedded, TAKEN_IN, *a_file(tmp_path, [*people, *left]))

    seen = [readers for after in rounds for [readers, *same] in after["rows"] if same == [readers, readers]]
    assert len(seen) == len(rounds), "readers, newsletters and consent come together or not at all"
    assert (seen[0], seen[-1], seen) == (2, 2502, sorted(seen))
    states = dict.fromkeys(people, "active") | dict.fromkeys(left, "unsubscribed")
    assert embedded.ask(EACH) == [[reader, state, 1] for reader, state in states.items()]
    assert list(scratch.iterdir()) == [], "no address lies about"


def test_who_left_between_a_killed_import_and_the_next_stays_away(embedded: Stage, tmp_path: Path):
    embedded.database_url, people = new_postgres_database(), crowd(15_000)
    embedded.run("manage", "migrate", "-v0")
    importing = a_file(tmp_path, people)

    usual, embedded.command = embedded.command, [embedded.python, "-c", IN_SMALL_STEPS]
    process = embedded.start(*importing, DJANGO_SETTINGS_MODULE="mailer.settings")
    embedded.command = usual
    while embedded.ask(TAKEN_IN) == [[0, 0, 0]] and process.poll() is None:
        time.sleep(0.03)
    kill(embedded, process)
    [[taken_in, *same]] = embedded.ask(TAKEN_IN)
    assert 0 < taken_in < len(people)
    assert same == [taken_in, taken_in]
    [[erased]] = embedded.ask("SELECT min(email) FROM subscribers_subscriber")
    embedded.run("subscribers", "forget", erased, "--yes")

    embedded.run(*importing)
    people.remove(erased)
    assert embedded.ask(EACH) == [[reader, "active", 1] for reader in people]


# ---------------------------------------------------------------- erasing

OF_A_READER = """
    SELECT (SELECT count(*) FROM subscribers_subscriber), (SELECT count(*) FROM subscribers_subscription),
           (SELECT count(*) FROM subscribers_consent), (SELECT count(*) FROM subscribers_suppression),
           (SELECT max(erased_how) FROM subscribers_suppression)
"""


def test_a_reader_is_erased_whole_or_not_at_all_whenever_the_command_is_killed(embedded: Stage):
    embedded.import_readers({"active": 2})
    reader = "active-00001@readers.example"
    [[hash]] = embedded.ask(f"SELECT suppression_hash FROM subscribers_subscriber WHERE email = '{reader}'")
    there, erased = [[2, 2, 2, 0, None]], [[1, 1, 1, 1, "command"]]

    rounds = killed_before_each_write(embedded, OF_A_READER, "subscribers", "forget", reader, "--yes")

    *killed, last_words, _ = rounds
    assert all(after["rows"] == there for after in killed)
    assert (last_words["before"], last_words["rows"]) == ("open optouts.log", erased)
    assert rounds[-1]["rows"] == erased
    log = [json.loads(line) for line in (home(embedded) / "optouts.log").read_text().splitlines()]
    assert {(line["hash"], line["reason"]) for line in log} == {(hash, "erased")}


# ---------------------------------------------------------------- the journal of leavings

APPLY = "from django.conf import settings; from subscribers import applying; applying.apply(settings.LEAVING_JOURNAL)"
LEFT = "SELECT (SELECT count(*) FROM subscribers_subscription WHERE state = 'unsubscribed'), count(*)" + (
    " FROM subscribers_consent WHERE step = 'unsubscribed'"
)


def test_each_line_of_the_journal_is_applied_once_whenever_its_process_is_killed(embedded: Stage):
    embedded.import_readers({"active": 6})
    people = embedded.ask("SELECT id, public_id, suppression_hash FROM subscribers_subscriber ORDER BY email")
    ids = [str(reader) for _, reader, _ in people]
    *leaving, [came_back, _, stays] = people
    change(embedded, f"UPDATE subscribers_consent SET step = 'confirmed' WHERE subscriber_id = {came_back}")
    hour, now = timedelta(hours=1), datetime.now(UTC)
    journal = home(embedded) / "leaving.jsonl"
    journal.write_text(
        "\n".join(
            [
                clicked(ids[0], now - hour),
                "nonsense",
                clicked(ids[1], now - hour, "*"),
                clicked(ids[5], now - hour),  # before the confirmation
                clicked(ids[1], now),  # once more
                clicked(ids[2], now + hour),  # by a clock that runs ahead
                clicked(ids[3], now - hour),
                clicked(ids[4], now - hour, "*"),
                '{"public_id": "01',
            ]
        )
    )

    rounds = killed_before_each_write(embedded, LEFT, "manage", "shell", "-v0", "-c", APPLY)

    seen = [after["rows"] for after in rounds]
    assert all(left == steps for [[left, steps]] in seen), "a subscription and its history change together"
    assert (seen[0], seen[-1], seen) == ([[0, 0]], [[5, 5]], sorted(seen))
    log = [json.loads(line) for line in (home(embedded) / "optouts.log").read_text().splitlines()]
    assert {line["hash"] for line in log} == {hash for *_, hash in leaving}
    ended = {hash: datetime.fromisoformat(f"{at}+00:00") for hash, at in embedded.ask(ENDED)}
    assert {line["hash"]: datetime.fromisoformat(line["at"]) for line in log} == ended
    assert sorted(now - hour == at for at in ended.values()) == [False] + [True] * 4, "the time of the click is kept"
    assert stays not in ended
    assert not journal.exists()
    assert set((home(embedded) / "leaving.unreadable").read_text().splitlines()) == {"nonsense", '{"public_id": "01'}


def clicked(reader: str, at: datetime, newsletter: str = "weekly") -> str:
    return json.dumps({"public_id": reader, "newsletter": newsletter, "how": "one-click", "at": at.isoformat()})


ENDED = """
    SELECT s.suppression_hash, c.at FROM subscribers_consent c JOIN subscribers_subscriber s ON s.id = c.subscriber_id
    WHERE c.step = 'unsubscribed'
"""


# ---------------------------------------------------------------- a restored database


def test_adopting_a_restored_database_goes_on_where_it_was_killed(sent: Stage):
    hashes = [hash for (hash,) in sent.ask("SELECT suppression_hash FROM subscribers_subscriber ORDER BY email")]
    log = home(sent) / "optouts.log"
    for hash, newsletter, reason in zip(
        [*hashes, "ab" * 32],
        ["weekly", "weekly", "", "", "", ""],
        ["unsubscribed", "unsubscribed", "erased", "complaint", "bounce", "erased"],
        strict=True,
    ):
        line = {"hash": hash, "newsletter": newsletter, "reason": reason, "at": "2999-01-01T00:00:00+00:00"}
        with log.open("a") as file:
            file.write(json.dumps(line) + "\n")
    logged = log.read_text()
    counted = home(sent) / "attempts.json"
    seen = {installation: number + 3 for installation, number in json.loads(counted.read_text()).items()}
    counted.write_text(json.dumps(seen))
    change(sent, "UPDATE mailer_send SET state = 'sending'")

    guard = "SELECT attempts, state, reason LIKE '%lacks 3 of%' FROM mailer_installation, mailer_send"
    rounds = killed_before_each_write(sent, guard, "doctor", "--adopt")

    assert all(after["rows"] == [[1, "sending", 0]] for after in rounds[:-1]), "nothing may be sent before all is done"
    assert rounds[-1]["rows"] == [[4, "paused", 1]]
    states = "SELECT state, count(*) FROM subscribers_subscription GROUP BY state ORDER BY state"
    assert sent.ask(states) == [["active", 2], ["unsubscribed", 2]]
    suppressed = dict(sent.ask("SELECT hash, reason FROM subscribers_suppression"))
    assert suppressed == dict(zip([*hashes[2:], "ab" * 32], ["erased", "complaint", "bounce", "erased"], strict=True))
    assert log.read_text().startswith(logged), "the log is only ever added to"


# ---------------------------------------------------------------- the web page of an issue


def test_a_page_shows_the_old_text_or_the_new_one_whenever_its_correction_is_killed(sent: Stage):
    issue = sent.folder / ISSUE
    issue.write_text(issue.read_text().replace("small, cheap and quick", "small and quick"))
    page = "SELECT article LIKE '%small and quick%', length(article), corrected_at IS NOT NULL FROM mailer_correction"

    rounds = killed_before_each_write(sent, page, "archive", "update", ISSUE, "--yes")

    # What follows the correction, such as its card and what search knows of it, is written after it, and made up for.
    assert rounds[0]["rows"] == []
    assert all(after["rows"] in ([], rounds[-1]["rows"]) for after in rounds)
    [[corrected, length, dated]] = rounds[-1]["rows"]
    assert (corrected, dated) == (1, 1)
    assert length > 100
    assert "is already up to date" in sent.run("archive", "update", ISSUE, "--yes").out


def test_an_imported_issue_is_there_with_its_address_or_not_at_all_whenever_its_import_is_killed(sent: Stage):
    old = sent.folder / "2019-06-29.md"
    old.write_text("---\naliases: /2019/06/29/boards.html\n---\n# Boards\n\nA board of long ago.\n")
    there = "SELECT count(*), (SELECT count(*) FROM mailer_alias), sum(length(article) > 20) FROM mailer_archivedissue"

    rounds = killed_before_each_write(sent, there, "archive", "import", old.name, "--yes")

    assert rounds[0]["rows"] == [[0, 0, None]]
    assert all(after["rows"] in ([[0, 0, None]], [[1, 1, 1]]) for after in rounds)
    assert "1 unchanged" in sent.run("archive", "import", old.name, "--yes").out


# ---------------------------------------------------------------- a reader's letter

ASK = """
from subscribers import changing
from subscribers.models import Subscriber
from subscribers.optin import Origin
print(changing.ask_for_link(Subscriber.objects.get().public_id, "weekly", Origin(how="preferences")))
"""
LATER = "UPDATE subscribers_letter SET due = datetime(due, '-{} minutes')"
DUE = "SELECT tries, due IS NULL, (julianday(due) - julianday('now')) * 24 * 60 > 9 FROM subscribers_letter"


def test_a_letter_whose_sender_was_killed_goes_out_once_more_at_most_and_not_within_ten_minutes(
    embedded: Stage, api: StandIn, for_real: dict[str, str]
):
    embedded.import_readers({"active": 1})
    embedded.settings |= for_real
    embedded.run("manage", "shell", "-v0", "-c", ASK)

    for tries in (1, 2):
        api.fail("hang after accepting", seconds=60)
        worker = embedded.start("worker")
        wait_until(lambda number=tries: len(api.accepted) == number, "the provider has the letter")
        kill(embedded, worker)
        assert embedded.ask(DUE) == [[tries, 0, 1]], "nobody knows whether it arrived, so nobody sends it again soon"
        change(embedded, LATER.format(10 if tries == 1 else 60))

    worker = embedded.start("worker")
    wait_until(lambda: embedded.ask(DUE) == [[2, 1, None]], "the letter is given up")
    embedded.stop(worker)
    assert len(api.accepted) == 2
