"""Days in the names of files, in titles and in front matter."""

import re
from datetime import UTC, date, datetime

_DAY = re.compile(r"(?<!\d)(\d{4})(?:[-/._]|\s*年\s*)(\d{1,2})(?:[-/._]|\s*月\s*)(\d{1,2})(?!\d)")
_OTHER_WAYS = ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%Y%m%d")
_IN_WORDS = ("%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y")


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


def meant_by(text: str) -> date | None:
    """Return the only day that a text such as 24.11.2026 or Nov 24, 2026 can mean; 03/04/2026 can mean two."""
    words = " ".join(text.replace(",", " ").split())
    days = set()
    for form in (*_OTHER_WAYS, *_IN_WORDS):
        try:
            days.add(datetime.strptime(words, form).replace(tzinfo=UTC).date())
        except ValueError:
            continue
    return days.pop() if len(days) == 1 else None
