"""The statement that finds neighbours says of each issue what the lists say of it."""

from datetime import date
from itertools import pairwise

import pytest

from mailer.archive import entries, page
from mailer.archive.correcting import correct
from tests.mailer.archived import archived
from tests.mailer.published import published
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db


def test_neighbours_are_entries_of_the_list_to_the_last_column():
    correct(published("2026-11-13"), outgoing.issue(source="better"))
    published("2026-11-20", day="2026-11-19", number="7", preheader="Boards", language="de")
    archived("2026-11-16", number="6", updated_at="2026-12-01T10:00:00Z")
    published("2026-11-17", provider="rehearsal")
    published("2026-11-18", "jianbao")
    published("2026-11-19", kind="welcome")
    listed = entries("weekly")
    assert [one.slug for one in listed] == ["2026-11-20", "2026-11-16", "2026-11-13"]
    for older, one, younger in zip([*listed[1:], None], listed, [None, *listed], strict=False):
        shown = page("weekly", one.slug)
        assert (shown.former, shown.next) == (older, younger)


def test_issues_of_one_day_are_in_the_same_order_on_any_database():
    for slug in ("a", "B", "c"):
        archived(slug, day=date(2019, 6, 29))
    for older, younger in pairwise([*reversed(entries("weekly"))]):
        assert page("weekly", younger.slug).former == older
        assert page("weekly", older.slug).next == younger
