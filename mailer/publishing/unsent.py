"""Tell which files may still be sent: the archive on the web must not have them before the subscribers do."""

import re
from datetime import date
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from mailer.config.newsletter import Newsletter
from mailer.content.dates import in_words
from mailer.models import REHEARSAL, ArchivedIssue, Send
from mailer.store import clock

STARTER = Path(__file__).resolve().parents[1] / "starter"


def today_of(newsletter: Newsletter) -> date:
    return clock.now().astimezone(ZoneInfo(newsletter.timezone)).date()


def first_sent(newsletter: str) -> Send | None:
    """Return the first issue that the newsletter sent from here; what is older was published elsewhere."""
    sends = Send.objects.filter(newsletter=newsletter, kind=Send.Kind.ISSUE, day__isnull=False)
    sent = sends.exclude(provider=REHEARSAL).exclude(first_request_at=None)
    return sent.only("slug", "day").order_by("first_request_at", "id").first()


def why_unsent(slug: str, day: date, newsletter: Newsletter, first: Send | None) -> str:
    """Say why an issue of that day may still be sent: "" if it may not. `first` is what `first_sent` found."""
    is_today = day == today_of(newsletter)
    if not is_today and not (first and first.day and day >= first.day):
        return ""
    if ArchivedIssue.objects.filter(newsletter=newsletter.label, slug=slug).exists():
        return ""
    if is_today or first is None or first.day is None:
        return "is dated today and may still be sent"
    return (
        f"may still be sent: it is not older than {first.slug} ({in_words(first.day)}), the first issue sent from here"
    )


def is_sample(file: Path) -> bool:
    """Tell whether `mailer init` wrote the file, and nobody changed it since."""
    try:
        return _but_for_the_date(file.read_bytes()) in _samples()
    except OSError:
        return False


@cache
def _samples() -> frozenset[bytes]:
    return frozenset(_but_for_the_date(file.read_bytes()) for file in STARTER.rglob("issues/*.md"))


def _but_for_the_date(content: bytes) -> bytes:
    return re.sub(rb"^date: .*\n", b"", content.replace(b"\r\n", b"\n"), count=1, flags=re.MULTILINE)
