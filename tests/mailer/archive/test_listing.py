import pytest

from mailer.archive import indexing
from mailer.archive.listing import listed
from tests.mailer.published import published

pytestmark = pytest.mark.django_db


def test_an_issue_that_is_not_indexed_yet_is_listed_with_its_preheader():
    published("2026-11-13", preheader="What is new", article="<p>Hello.</p>")
    assert [(one.entry.slug, one.excerpt, one.image) for one in listed("weekly")] == [("2026-11-13", "What is new", "")]


def test_the_issues_own_date_decides_the_order():
    published("2026-11-13", day="2026-12-01")
    published("2026-11-20")
    indexing.catch_up()
    assert [one.entry.slug for one in listed("weekly")] == ["2026-11-13", "2026-11-20"]
