"""User mistakes end in a message that names the place, and leave nothing half done."""

from dataclasses import replace
from datetime import date

import pytest

from mailer.models import Send
from subscribers.models import Subscription
from tests import readers

GOOD = "# Weekly\n\nHello, readers.\n"
TODAY = f"---\ndate: {date.today()}\n---\n{GOOD}"  # a real send asks about an issue of long ago


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"# Weekly\n\ncaf\xe9\n", ":3"),
        ("", "no title"),
        ("# Weekly\n", "no text"),
        ("---\ntags: [open\n---\n\nText\n", ":2"),
        ("---\ntitle: Weekly\n\nText\n", "front matter"),
        ("Text without a title.\n", "title"),
        (GOOD + "\n![A board](images/missing.png)\n", ":5"),
        (GOOD + "\n[Here](javascript:alert(1))\n", "javascript"),
    ],
)
def test_a_mistake_in_the_issue_is_named_with_its_line_and_nothing_is_planned(run, issue, content, words):
    path = issue(content)
    ran = run("send", "issue", path, "--newsletter", "weekly", "--yes")
    assert ran.code == 3, ran.err
    assert str(path.name) in ran.err
    assert words in ran.err
    assert not Send.objects.exists()


def test_a_file_without_the_command_that_sends_it_gets_a_suggestion(run, issue, tmp_path):
    ran = run("send", "posts/Tide notes.md", "--dry-run")
    assert (ran.code, "Did you mean `mailer send issue 'posts/Tide notes.md'`?" in ran.err) == (2, True)
    (tmp_path / "boards.txt").touch()
    assert "Did you mean `mailer send issue" in run("send", tmp_path / "boards.txt").err
    assert "mailer send issue" not in run("send", "isue").err


def test_a_missing_file_is_a_usage_error(run, tmp_path):
    ran = run("send", "issue", tmp_path / "nowhere.md")
    assert ran.code == 2
    assert "nowhere.md" in ran.err


def test_an_unknown_newsletter_is_answered_with_those_there_are(run, issue):
    ran = run("send", "issue", issue(GOOD), "--newsletter", "daily", "--yes")
    assert ran.code == 2
    assert "daily" in ran.err
    assert "weekly, jianbao" in ran.err


def test_several_newsletters_and_none_chosen_is_a_usage_error(run, issue):
    ran = run("send", "issue", issue(GOOD), "--yes")
    assert ran.code == 2
    assert "--newsletter" in ran.err


def test_nobody_confirmed_means_nothing_is_sent(run, issue):
    readers.pending()
    ran = run("send", "issue", issue(GOOD), "--newsletter", "weekly", "--yes", "--detach")
    assert ran.code == 1
    ran = run("send", "issue", issue(GOOD), "--newsletter", "weekly", "--yes")
    assert ran.code == 1
    assert "no confirmed subscriber" in ran.err
    assert not Send.objects.exists()


def test_without_a_terminal_and_without_yes_a_real_send_does_nothing(run, issue, settings):
    readers.confirmed()
    settings.PROVIDER, settings.SENDGRID_API_KEY = "127.0.0.1", "SG.x"
    ran = run("send", "issue", issue(TODAY), "--newsletter", "weekly")
    assert ran.code == 4
    assert "--yes" in ran.err
    assert not Send.objects.exists()


def test_dry_run_shows_the_plan_and_stops(run, issue):
    readers.confirmed()
    ran = run("send", "issue", issue(GOOD), "--newsletter", "weekly", "--dry-run")
    assert ran.code == 0
    assert "subscribers  1\n" in ran.out
    assert not Send.objects.exists()


def test_a_dry_run_ends_as_the_send_would(run, issue):
    path = issue(GOOD)
    dry = run("send", "issue", path, "--newsletter", "weekly", "--dry-run")
    assert "action  would be planned and sent" in dry.out
    sent = run("send", "issue", path, "--newsletter", "weekly")
    assert (dry.code, dry.err.splitlines()[-1]) == (sent.code, sent.err.splitlines()[-1])
    assert sent.code == 1
    later = run("send", "issue", path, "--newsletter", "weekly", "--dry-run", "--at", "+1h")
    assert later.code == 0, "who gets it is chosen when it is due"


def test_detaching_without_a_worker_is_refused_and_says_how_to_start_one(run, issue):
    readers.confirmed()
    ran = run("send", "issue", issue(GOOD), "--newsletter", "weekly", "--yes", "--detach")
    assert ran.code == 1
    assert "mailer worker" in ran.err
    assert not Send.objects.exists()


def test_a_base_url_that_does_not_answer_stops_a_real_send(run, issue, settings):
    readers.confirmed()
    settings.PROVIDER, settings.SENDGRID_API_KEY, settings.PROVIDER_IS_LOCAL = "api.sendgrid.com", "SG.x", False
    settings.BASE_URL = "https://127.0.0.1:9"
    owned = replace(settings.NEWSLETTERS["weekly"], from_email="editor@boards-weekly.press", reply_to="")
    settings.NEWSLETTERS = {"weekly": owned}
    ran = run("send", "issue", issue(TODAY), "--newsletter", "weekly", "--yes")
    assert ran.code == 1
    assert "subscribers could not unsubscribe" in ran.err
    assert not Send.objects.exists()


def test_a_real_send_from_a_plain_http_address_is_refused(run, issue, settings):
    settings.PROVIDER, settings.SENDGRID_API_KEY, settings.PROVIDER_IS_LOCAL = "api.sendgrid.com", "SG.x", False
    ran = run("send", "issue", issue(GOOD), "--newsletter", "weekly", "--yes")
    assert ran.code == 3
    assert "BASE_URL" in ran.err


def test_an_address_that_cannot_be_mailed_is_refused_with_the_reason(run):
    ran = run("subscribers", "add", "nobody@localhost", "--newsletter", "weekly")
    assert ran.code == 2
    assert "nobody@localhost" in ran.err


def test_a_file_without_an_address_column_is_refused(run, tmp_path):
    path = tmp_path / "readers.csv"
    path.write_text("name,state\nAda,active\n")
    ran = run("subscribers", "import", path, "--newsletter", "weekly", "--yes")
    assert ran.code == 2
    assert "email" in ran.err


def test_an_import_keeps_its_good_rows_and_writes_the_bad_ones_beside_it(run, tmp_path):
    path = tmp_path / "readers.csv"
    path.write_text('email,state\nada@readers.example,active\nnot an address,active\n"broken\n')
    ran = run("subscribers", "import", path, "--newsletter", "weekly", "--yes")
    assert ran.code == 5
    assert Subscription.objects.filter(subscriber__email="ada@readers.example", state="active").exists()
    rejected = (tmp_path / "readers.csv.rejected.csv").read_text()
    assert "not an address" in rejected


def test_a_send_that_does_not_exist_is_a_usage_error(run):
    for command in ("status", "pause", "resume", "reconcile"):
        ran = run(command, "2020-01-01")
        assert ran.code == 2, command
        assert "2020-01-01" in ran.err


def test_empty_states_say_what_to_do(run):
    assert "mailer send issue" in run("status").out
    assert "add" in "".join(vars(run("subscribers", "list")).get(part) for part in ("out", "err"))
