"""`mailer subscribers list`, as typed."""

import json
from datetime import UTC, datetime

import pytest

from mailer.cli.terminal import Exit
from subscribers.models import Subscription
from tests import readers
from tests.mailer.cli.test_subscribers import run
from tests.readers import ADA, BEN, CLEO, DORA

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("up_to_date")]


def test_the_list_is_empty_at_first_and_says_how_readers_come():
    result = run("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "mailer subscribers import FILE" in result.stderr
    assert json.loads(run("list", "--json").stdout) == []


def test_the_list_shows_readers_of_one_state():
    readers.everybody()
    assert [row["email"] for row in json.loads(run("list", "--json").stdout)] == [
        DORA.email,
        CLEO.email,
        BEN.email,
        ADA.email,
    ]
    assert [row["email"] for row in json.loads(run("list", "--json", "--state", "suppressed").stdout)] == [DORA.email]
    assert [row["email"] for row in json.loads(run("list", "--json", "--state", "pending").stdout)] == [BEN.email]
    shown = run("list", "--limit", "2")
    assert DORA.email in shown.stdout
    assert "active        bounce" in shown.stdout
    assert ADA.email not in shown.stdout
    assert "1 to 2 of 4; --page 2 shows the next" in shown.stderr
    assert "No such subscribers" in run("list", "--state", "unsubscribed", "--newsletter", "jianbao").stderr


def test_the_list_is_narrowed_by_day_and_domain_and_turned_page_by_page():
    readers.everybody()
    readers.confirmed("jianbao", readers.Named("Li", "li@例子.example"))
    assert [row["email"] for row in json.loads(run("list", "--json", "--domain", "例子.EXAMPLE").stdout)] == [
        "li@例子.example"
    ]
    assert len(json.loads(run("list", "--json", "--since", "2020-01-01", "--newsletter", "weekly").stdout)) == 4
    assert "No such subscribers" in run("list", "--since", "2999-01-01").stderr
    pages = [json.loads(run("list", "--json", "--limit", "2", "--page", str(n)).stdout) for n in (1, 2, 3)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [row["email"] for page in pages for row in page][-2:] == [BEN.email, ADA.email]
    assert run("list", "--since", "soon").exit_code == run("list", "--domain", "com").exit_code == Exit.USAGE


def test_a_pipe_gets_everybody_and_a_page_that_is_not_there_is_said():
    readers.crowd(51)
    assert len(run("list").stdout.splitlines()) == 1 + 51
    missing = run("list", "--limit", "2", "--page", "99")
    assert (missing.exit_code, missing.stdout) == (Exit.USAGE, "")
    assert "there is no page 99: 51 subscribers, 2 on a page" in missing.stderr
    assert "--page needs --limit" in run("list", "--page", "2").stderr


@pytest.mark.parametrize("microsecond", [0, 250_000])
def test_a_pipe_gets_the_values_of_each_subscriber_as_they_are_stored(microsecond: int):
    readers.bounced()
    at = datetime(2026, 1, 2, 3, 4, 5, microsecond, tzinfo=UTC)
    Subscription.objects.update(changed_at=at)
    heading, line = run("list").stdout.splitlines()
    cells = f"{DORA.email:<38}  {'active':<12}  {'bounce':<10}  {'weekly':<16}  {DORA.name:<20}"
    assert line == f"{cells}  2026-01-02 03:04"
    assert heading.startswith(f"{'address':<38}  {'state':<12}  {'suppressed':<10}  {'newsletter':<16}")
    (row,) = json.loads(run("list", "--json").stdout)
    assert row == {
        "email": DORA.email,
        "state": "active",
        "suppressed": "bounce",
        "newsletter": "weekly",
        "name": DORA.name,
        "since": at.isoformat(timespec="seconds"),
    }


def test_a_list_longer_than_what_is_written_at_once_is_whole(monkeypatch):
    from mailer.cli.subscribers import looking

    readers.crowd(5)
    whole = [run("list", *how).stdout for how in ((), ("--json",))]
    monkeypatch.setattr(looking, "AT_ONCE", 2)
    assert [run("list", *how).stdout for how in ((), ("--json",))] == whole
    assert len(json.loads(whole[1])) == 5


def test_a_narrow_terminal_breaks_no_address(monkeypatch, capsys):
    from mailer.cli.subscribers.looking import print_subscribers

    email = "a-long-name@readers.example"
    row = (email, "active", None, "weekly", "Ada", "2026-11-20 10:00:00.5")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for width, lines in (("50", [email, "  active · weekly · Ada · 2026-11-20 10:00"]), ("100", None)):
        monkeypatch.setenv("COLUMNS", width)
        print_subscribers([row])
        shown = capsys.readouterr().out
        assert email in shown
        assert lines is None or shown.splitlines() == lines


def test_a_terminal_has_a_column_for_who_is_suppressed_if_somebody_is(monkeypatch, capsys):
    from mailer.cli.subscribers.looking import print_subscribers

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = {}
    for reason in (None, "bounce"):
        for width in ("50", "120"):
            monkeypatch.setenv("COLUMNS", width)
            print_subscribers([("dora@readers.example", "active", reason, "weekly", "Dora", "2026-11-20 10:00:00")])
            shown[reason, width] = capsys.readouterr().out
    assert "suppressed" not in shown[None, "50"] + shown[None, "120"]
    assert "active · suppressed: bounce · weekly" in shown["bounce", "50"]
    assert shown["bounce", "120"].splitlines()[0].find("suppressed") > 0


def test_a_name_like_markup_is_a_name():
    readers.confirmed(who=readers.Named("[bold]Ada[/bold]", ADA.email))
    assert "[bold]Ada[/bold]" in run("list").stdout
