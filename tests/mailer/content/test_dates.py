from datetime import date

import pytest

from mailer.content.dates import days_in


@pytest.mark.parametrize(
    "text", ["2026-11-20", "issue.2026_11_20", "2026/11/20", "of 2026.11.20", "2026年11月20日", "2026 年 11 月 20 日"]
)
def test_a_day_is_found_as_people_write_it(text):
    assert days_in(text) == [date(2026, 11, 20)]


@pytest.mark.parametrize("text", ["9999-99-99", "12026-11-20", "2026-11-201", "20261120", ""])
def test_what_only_looks_like_a_day_is_none(text):
    assert days_in(text) == []


def test_days_come_in_the_order_of_the_text():
    assert days_in("2026-11-20 to 2026-02-30 to 2026-11-13") == [date(2026, 11, 20), date(2026, 11, 13)]
