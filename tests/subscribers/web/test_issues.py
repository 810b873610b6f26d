"""What the form and the page after confirming show of the newsletter's issues."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import OperationalError

from mailer.archive import indexing
from subscribers.web import issues
from subscribers.web.issues import Issue, how_often
from tests import readers
from tests.mailer.published import published
from tests.subscribers.paths import confirm_path

TODAY = datetime.now(UTC).date()


def issues_after(*gaps: int, last: date = TODAY) -> list[Issue]:
    """Return issues, newest first, with so many days between them."""
    days = [last]
    for gap in gaps:
        days.append(days[-1] - timedelta(gap))
    return [Issue("", "", day, "", "") for day in days]


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        ((1, 1, 1, 1, 3), "About once a day"),
        ((3, 4, 3, 4), "About twice a week"),
        ((7, 7, 14, 6, 7), "About once a week"),
        ((14, 13), "About every two weeks"),
        ((30, 31, 28), "About once a month"),
        ((91, 92), "About every three months"),
    ],
)
def test_how_often_is_counted_from_the_days_of_the_issues(gaps, said):
    assert how_often(issues_after(*gaps)) == said


@pytest.mark.parametrize("gaps", [(), (7,), (0, 0, 7), (7, 30, 2, 90), (1, 7, 30), (20, 21, 22)])
def test_nothing_is_said_of_few_or_irregular_issues(gaps):
    assert how_often(issues_after(*gaps)) == ""


def test_nothing_is_said_of_a_newsletter_that_has_stopped():
    assert how_often(issues_after(7, 7, 7, last=TODAY - timedelta(28))) == ""


@pytest.mark.django_db
def test_the_form_shows_the_last_three_issues_with_day_and_first_line(client):
    for day in (2, 9, 16, 23):
        published(f"2026-11-{day:02}", subject=f"Issue of day {day}", preheader=f"First line {day}")
    page = client.get("/subscribe/").text
    assert [day for day in (2, 9, 16, 23) if f"Issue of day {day}<" in page] == [9, 16, 23]
    assert '<a href="/archive/2026-11-23/">Issue of day 23</a>' in page
    assert '<time datetime="2026-11-23">23 November 2026</time>' in page
    assert "First line 23" in page


@pytest.mark.django_db
def test_the_form_repeats_nothing_that_each_issue_begins_with(client):
    for day, about in ((9, "otters"), (16, "beavers"), (23, "herons")):
        article = f"<p>Boards and compilers for everybody.</p><p>This issue is all about {about}.</p>"
        published(f"2026-11-{day:02}", article=article, preheader="Boards and compilers for everybody.")
    indexing.catch_up()
    page = client.get("/subscribe/").text
    assert "This issue is all about herons." in page
    assert "for everybody" not in page


@pytest.mark.django_db
def test_the_page_after_confirming_shows_the_newest_issue(client):
    for day in (16, 23):
        published(f"2026-11-{day}", subject=f"Issue of day {day}")
    page = client.post(confirm_path(readers.pending())).text
    assert "Issue of day 23" in page
    assert "Issue of day 16" not in page


@pytest.mark.django_db
def test_the_form_asks_the_database_once_in_ten_seconds(client, django_assert_num_queries, monkeypatch):
    published("2026-11-16", subject="Issue of day 16")
    assert "Issue of day 16<" in client.get("/subscribe/").text
    published("2026-11-23", subject="Issue of day 23")
    with django_assert_num_queries(0):
        page = client.get("/subscribe/").text
    assert "Issue of day 16<" in page
    later = time.time() + 11
    monkeypatch.setattr("time.time", lambda: later)
    assert "Issue of day 23<" in client.get("/subscribe/").text


@pytest.mark.django_db
def test_the_form_says_what_the_newsletter_is_about(client, settings):
    about = replace(settings.NEWSLETTERS["weekly"], about="Small <devices>.")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": about}
    assert '<p class="about" lang="en" dir="auto">Small &lt;devices&gt;.</p>' in client.get("/").text


def away(*_) -> None:
    raise OperationalError


@pytest.mark.django_db
def test_without_the_database_the_form_shows_without_issues(client, settings, monkeypatch):
    monkeypatch.setattr(issues, "import_string", lambda _: away)
    page = client.get("/subscribe/")
    assert page.status_code == 200
    assert "Latest issues" not in page.text
