from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.config.times import InvalidTime, describe, read_time

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@pytest.mark.parametrize("text", ["2026-07-02T09:00", "2026-07-02 09:00", " 2026-07-02T09:00 "])
def test_a_time_is_that_of_the_newsletters_zone(text):
    assert read_time(text, "Asia/Shanghai", NOW) == datetime(2026, 7, 2, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(("text", "later"), [("+5m", 5), ("+2h", 120), ("+1d", 1440), ("+90 m", 90)])
def test_a_plus_counts_from_now(text, later):
    assert read_time(text, BERLIN, NOW) == NOW + timedelta(minutes=later)


def test_an_hour_that_clocks_skip_is_refused_and_the_next_one_is_named():
    with pytest.raises(InvalidTime, match="clocks go forward then; 2026-03-29T03:30 exists"):
        read_time("2026-03-29T02:30", BERLIN, NOW)


def test_of_an_hour_that_comes_twice_the_first_is_meant():
    assert read_time("2026-10-25T02:30", BERLIN, NOW) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_of_an_hour_that_comes_twice_the_second_is_meant_when_the_first_has_passed():
    between = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10, after clocks went back
    assert read_time("2026-10-25T02:30", BERLIN, between) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    with pytest.raises(InvalidTime, match="01:05 UTC, 5 min ago"):
        read_time("2026-10-25T02:05", BERLIN, between)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-02-01T09:00", "is in the past .*28 d 4 h ago"),
        ("+0m", "is in the past"),
        ("tomorrow", "is not a time; write"),
        ("2026-13-01T09:00", "not in the calendar"),
        ("2026-02-30 09:00", "not in the calendar"),
        ("2026-07-02T09:00Z", "is not a time"),
        ("0000-01-01T00:00", "not in the calendar"),
    ],
)
def test_a_time_in_the_past_or_unreadable_is_refused_with_an_explanation(text, why):
    with pytest.raises(InvalidTime, match=why):
        read_time(text, BERLIN, NOW)


def test_a_moment_is_told_by_weekday_zone_utc_and_distance():
    moment = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    assert (
        describe(moment, "Asia/Shanghai", NOW)
        == "Tuesday 2026-03-03 06:30 Asia/Shanghai, 2026-03-02 22:30 UTC, in 1 d 10 h 30 min"
    )
    assert describe(NOW + timedelta(seconds=10), "UTC", NOW) == f"{NOW:%A %Y-%m-%d} 12:00 UTC, in less than a minute"


@given(st.text(max_size=20) | st.from_regex(r"\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d\Z") | st.from_regex(r"\A\+\d{1,5}[mhd]\Z"))
def test_any_text_is_a_moment_to_come_or_refused(text):
    with suppress(InvalidTime):
        assert read_time(text, BERLIN, NOW) > NOW
