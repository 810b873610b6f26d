"""Issues that were imported, as the tests of the archive need them."""

from datetime import UTC, date, datetime, time
from typing import Any

from mailer.models import ArchivedIssue


def archived(slug: str = "2019-06-29", newsletter: str = "weekly", **said: Any) -> ArchivedIssue:
    """Make an imported issue of the day in its slug; `said` sets fields of its row."""
    day = said.get("day") or date.fromisoformat(slug)
    noon = datetime.combine(day, time(12), UTC)
    values: dict[str, Any] = {
        "newsletter": newsletter,
        "slug": slug,
        "subject": f"The Weekly {slug}",
        "preheader": "Boards of long ago",
        "language": "en",
        "day": day,
        "article": "<p>A board of long ago.</p>",
        "published_at": noon,
        "source_sha256": "0" * 64,
        "content_sha256": "1" * 64,
        "imported_at": datetime(2026, 11, 1, tzinfo=UTC),
    }
    return ArchivedIssue.objects.create(**values | said)
