"""The title of an issue below the name of its newsletter, which need not say the name once more."""

import re

from mailer.content.dates import days_in

# What stands between the name and the rest. A hyphen within a word separates nothing.
_AFTER_NAME = re.compile(r"\s*[:：|｜·•]\s*|\s*——?\s*|\s+[-–—]\s+")


def without_name(title: str, name: str) -> str:
    """Return the title without the newsletter's name at its beginning, if words of its own are left.

    "The Weekly: boards of spring" is "boards of spring"; "The Weekly: 2026-11-20" stays, since a date is no title.
    """
    if not name or title[: len(name)].casefold() != name.casefold():
        return title
    between = _AFTER_NAME.match(title, len(name))
    rest = title[between.end() :] if between else ""
    says_something = re.search(r"[^\W\d_]", rest) and not days_in(rest)
    return rest if says_something else title
