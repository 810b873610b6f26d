"""Days in the names of files, in titles and in front matter."""

import re
from datetime import date

_DAY = re.compile(r"(?<!\d)(\d{4})(?:[-/._]|\s*年\s*)(\d{1,2})(?:[-/._]|\s*月\s*)(\d{1,2})(?!\d)")


def in_words(day: date) -> str:
    """Return `10 January 2024`: no two people take it for different days."""
    return f"{day.day} {day:%B %Y}"


def days_in(text: str) -> list[date]:
    """Return the dates that a text names, in order: 2026-11-20, 2026/11/20, 2026年11月20日."""
    days = []
    for match in _DAY.finditer(text):
        try:
            days.append(date(*map(int, match.groups())))
        except ValueError:
            continue  # 9999-99-99 stands for "not yet" in many archives
    return days
