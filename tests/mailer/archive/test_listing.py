from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from mailer.archive import entries, indexing, listing, removing
from mailer.archive.correcting import correct
from mailer.archive.listing import Years, listed, years_of
from tests.mailer.archived import archived
from tests.mailer.published import published
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db


def every(newsletter: str = "weekly") -> list[str]:
    return [slug for slugs in years_of(newsletter).slugs.values() for slug in slugs]


def test_an_issue_that_is_not_indexed_yet_is_listed_with_its_preheader():
    published("2026-11-13", preheader="What is new", article="<p>Hello.</p>")
    (one,) = listed("weekly", ["2026-11-13"])
    assert (one.entry.slug, one.excerpt, one.image) == ("2026-11-13", "What is new", "")


def test_the_issues_own_date_decides_the_order_and_the_year():
    published("2026-11-13", day="2027-01-01")
    published("2026-11-20")
    archived("2019-06-29")
    indexing.catch_up()
    years = years_of("weekly").slugs
    assert years == {2027: ("2026-11-13",), 2026: ("2026-11-20",), 2019: ("2019-06-29",)}
    assert [one.entry.slug for one in listed("weekly", every())] == ["2026-11-13", "2026-11-20", "2019-06-29"]


def test_an_entry_says_what_all_other_lists_say():
    correct(published("2026-11-13"), outgoing.issue(slug="2026-11-13", source="better"))
    published("2026-11-20", day="2026-11-19", number="7", preheader="Boards", language="de")
    archived("2026-11-16", number="6", updated_at="2026-12-01T10:00:00Z")
    published("2026-11-17", provider="rehearsal")
    published("2026-11-18", "jianbao")
    published("2026-11-19", kind="welcome")
    published("2026-11-12")
    removing.remove("weekly", "2026-11-12")
    assert [one.entry for one in listed("weekly", every())] == entries("weekly")


def test_an_issue_without_a_date_is_of_the_year_that_the_clock_of_the_newsletter_shows():
    published("2026-12-31", first_request_at=datetime(2026, 12, 31, 23, 30, tzinfo=UTC), day=None)
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        assert [*years_of("weekly").slugs] == [2027]
    with timezone.override(ZoneInfo("America/New_York")):
        assert [*years_of("weekly").slugs] == [2026]


def test_issues_of_one_moment_are_in_the_order_of_their_slugs():
    for slug in ("a", "B", "c"):
        archived(slug, day=date(2019, 6, 29))
    assert every() == [one.slug for one in entries("weekly")] == ["c", "a", "B"]


def test_the_first_page_has_whole_years_until_there_are_enough_issues(monkeypatch):
    monkeypatch.setattr(listing, "ENOUGH", 3)
    years = Years({2026: ("f",), 2025: ("e", "d"), 2024: ("c", "b"), 2019: ("a",)})
    assert (years.recent, years.earlier) == ((2026, 2025), (2024, 2019))
    monkeypatch.setattr(listing, "ENOUGH", 4)
    assert (years.recent, years.earlier) == ((2026, 2025, 2024), (2019,))
    monkeypatch.setattr(listing, "ENOUGH", 99)
    assert (years.recent, years.earlier) == ((2026, 2025, 2024, 2019), ())
    assert Years({}).recent == ()


def test_what_has_no_page_any_more_is_left_out():
    published("2026-11-13")
    assert [one.entry.slug for one in listed("weekly", ["2026-11-20", "2026-11-13"])] == ["2026-11-13"]
    assert listed("weekly", []) == []
