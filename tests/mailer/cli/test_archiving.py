"""`mailer archive list` and `update`, as an editor types them."""

import json

import pytest

from mailer.archive import page
from mailer.models import Correction, Send
from tests.mailer.published import published

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = (
    "---\nnewsletter: weekly\npreheader: Boards\n---\n# The Weekly 2026-11-20\n\n## News\n\nA board for everybody.\n"
)
BASE = "http://127.0.0.1:8000/archive"


@pytest.fixture
def sent(run, issue) -> Send:
    """Send the issue with a mistake in it."""
    article = "<section><h2>News</h2><p>A bord.</p>\n</section>"
    return published(
        preheader="Boards", language="en", day="2026-11-20", base_url="http://127.0.0.1:8000", article=article
    )


def test_the_list_is_markdown_newest_first(run, installation):
    published("2026-11-13", subject="Boards [of] spring")
    published("2026-11-20")
    ran = run("archive", "list", "--newsletter", "weekly")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"- [The Weekly 2026-11-20]({BASE}/2026-11-20/)",
        f"- [Boards \\[of\\] spring]({BASE}/2026-11-13/)",
    ]
    rows = json.loads(run("archive", "list", "--newsletter", "weekly", "--json").out)
    assert [(row["slug"], row["title"], row["corrected"]) for row in rows] == [
        ("2026-11-20", "The Weekly 2026-11-20", None),
        ("2026-11-13", "Boards [of] spring", None),
    ]


def test_a_list_of_nothing_says_so(run):
    ran = run("archive", "list", "--newsletter", "weekly")
    assert (ran.code, ran.out) == (0, "")
    assert "the archive of weekly has no issue yet" in ran.err


def test_a_correction_shows_what_changes_and_asks_first(run, issue, sent: Send):
    ran = run("archive", "update", issue(ISSUE))
    assert ran.code == 4
    assert "- <section><h2>News</h2><p>A bord.</p>" in ran.err
    assert "+ <section><h2>News</h2><p>A board for everybody.</p>" in ran.err
    assert f"{BASE}/2026-11-20/" in ran.err
    dry = run("archive", "update", issue(ISSUE), "--dry-run")
    assert (dry.code, "A board for everybody." in dry.out) == (0, True)
    assert not Correction.objects.exists()


def test_with_a_yes_the_page_changes_and_the_mail_on_record_does_not(run, issue, sent: Send):
    ran = run("archive", "update", issue(ISSUE), "--yes", "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert told["corrected"]
    assert len(told["changes"]) == 2
    assert "A board for everybody." in page("weekly", sent.slug).article
    kept = Send.objects.get()
    assert (kept.html, kept.text, kept.content_sha256) == (sent.html, sent.text, sent.content_sha256)
    again = run("archive", "update", issue(ISSUE), "--yes")
    assert (again.code, "is already up to date" in again.out) == (0, True)


def test_what_was_not_sent_has_no_page_to_correct(run, issue, sent: Send):
    Send.objects.update(provider="rehearsal")
    ran = run("archive", "update", issue(ISSUE), "--yes")
    assert ran.code == 1
    assert "no issue 2026-11-20 of weekly has been sent" in ran.err


def test_an_issue_with_errors_does_not_reach_the_page(run, issue, sent: Send):
    ran = run("archive", "update", issue(ISSUE + "\n![A board](board.png)\n"), "--yes")
    assert ran.code == 3
    assert "image-missing" in ran.err
    assert not Correction.objects.exists()


def test_a_laptops_own_address_does_not_reach_a_public_page(run, issue, sent: Send):
    Send.objects.update(base_url="https://news.example.com")
    ran = run("archive", "update", issue(ISSUE), "--yes")
    assert ran.code == 2
    assert "set BASE_URL to the public address" in ran.err
    assert not Correction.objects.exists()


def test_an_issue_lists_those_before_it_where_it_asks_to(run, issue, tmp_path):
    published("2026-11-13", subject="Boards of autumn")
    file = issue(f"{ISSUE}\n## Back issues\n\n<!-- back issues -->\n")
    assert run("render", file, "-o", tmp_path / "out").code == 0
    mail = (tmp_path / "out" / "2026-11-20.html").read_text()
    assert "Boards of autumn" in mail
    assert f'href="{BASE}/2026-11-13/"' in mail


def test_cards_that_are_missing_are_drawn_and_those_that_cannot_be_are_named(run, installation):
    published("2026-11-13", subject="Boards")
    published("2026-11-20", subject="Party 🎉")
    ran = run("archive", "cards", "--newsletter", "weekly")
    assert (ran.code, ran.out) == (1, "1 card drawn, 1 cannot be drawn.\n")
    assert "mailer: 2026-11-20 has no card: " in ran.err
    assert "🎉 (U+1F389)" in ran.err
    ran = run("archive", "cards", "--newsletter", "weekly", "--again", "--json")
    assert [(one["slug"], bool(one["fault"])) for one in json.loads(ran.out)] == [
        ("2026-11-20", True),
        ("2026-11-13", False),
    ]
