"""`mailer archive search`, as an editor types it."""

import json

import pytest

from mailer.archive.searching import A_PAGE
from mailer.cli import searching
from tests.mailer.archived import archived
from tests.mailer.published import published

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "http://127.0.0.1:8000/archive"
WEEKLY = ("--newsletter", "weekly")


@pytest.fixture(autouse=True)
def _as_slow_as_it_may_be(monkeypatch):
    monkeypatch.setattr(searching, "INDEXING", float("inf"))


def search(run, *arguments):
    return run("archive", "search", *arguments, *WEEKLY)


def test_it_prints_title_date_address_and_place_without_a_worker(run):
    published("2026-11-13", article="<p>本期介绍模型压缩。</p>", subject="第十三期", language="zh-hans")
    archived("2019-06-29", article="<p>Small boards.</p>")
    ran = search(run, "模型")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "第十三期 (13 November 2026)",
        f"  {BASE}/2026-11-13/",
        "  本期介绍模型压缩。",
    ]


def test_all_words_must_be_there_as_on_the_web(run):
    published("2026-11-13", article="<p>Small boards.</p>")
    published("2026-11-20", article="<p>Large boards.</p>")
    ran = search(run, "board", "LARGE")
    assert [line for line in ran.out.splitlines() if BASE in line] == [f"  {BASE}/2026-11-20/"]


def test_json_has_what_is_printed(run):
    published("2026-11-13", article="<p>Small boards.</p>", language="en")
    told = json.loads(search(run, "boards", "--json").out)
    assert told == {
        "count": 1,
        "page": 1,
        "pages": 1,
        "issues": [
            {
                "slug": "2026-11-13",
                "title": "The Weekly 2026-11-13",
                "date": "2026-11-13",
                "language": "en",
                "url": f"{BASE}/2026-11-13/",
                "excerpt": "Small boards.",
            }
        ],
    }


def test_more_than_a_page_is_asked_for(run):
    for number in range(1, A_PAGE + 2):
        published(f"2026-01-{number:02}", article="<p>Boards.</p>")
    first = search(run, "boards")
    assert len(first.out.splitlines()) == 3 * A_PAGE
    assert f"{A_PAGE + 1} issues found; add --page 2" in first.err
    second = search(run, "boards", "--page", "2")
    assert (len(second.out.splitlines()), second.err) == (3, "")


def test_it_says_if_not_everything_was_searched(run, monkeypatch):
    published("2026-11-13", article="<p>Boards.</p>")
    published("2026-11-20", article="<p>Boards.</p>")
    monkeypatch.setattr(searching, "INDEXING", -1.0)
    first = search(run, "boards")
    assert ("2026-11-20" in first.out, "not all issues are indexed yet" in first.err) == (True, True)
    second = search(run, "boards")
    assert ("2026-11-13" in second.out, second.err) == (True, "")


def test_finding_nothing_says_so_and_a_query_without_words_is_refused(run):
    published("2026-11-13")
    ran = search(run, "nothing")
    assert (ran.code, ran.out) == (0, "")
    assert "no issue of weekly has all of these words" in ran.err
    ran = search(run, "?!")
    assert (ran.code, "has no word to look for" in ran.err) == (2, True)


def test_what_an_issue_says_cannot_steer_the_terminal(run):
    published("2026-11-13", article="<p>Boards \x1b[2J of spring</p>")
    assert "\x1b" not in search(run, "boards").out
