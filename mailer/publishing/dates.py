"""Tell when an issue is older than one that is meant to go out: the wrong file is what nobody can take back."""

from datetime import date, timedelta

from mailer.content.dates import in_words
from mailer.models import Send

OLD = timedelta(days=14)


def why_too_old(day: date | None, today: date, last: Send | None) -> str:
    """Say why nobody may expect an issue of that day now: "" if they may.

    `last` is the last issue with a date that the newsletter sent.
    """
    if day is None:
        return ""
    if today - day > OLD:
        return f"{(today - day).days:,} days ago"
    if last and last.day and day < last.day:
        return f"before {last.slug} ({in_words(last.day)}), which was sent last"
    return ""
