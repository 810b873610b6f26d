"""What the archive of a newsletter has already, for an import to compare with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from mailer.models import Alias, ArchivedIssue, RemovedPage

Hashes = tuple[str, str]  # of a page, and of its source: Markdown is published only as it was imported


@dataclass(frozen=True)
class There:
    """The pages of imported issues, as hashes."""

    hashes: Mapping[str, Hashes]  # by slug
    aliases: Mapping[str, frozenset[str]]  # slug → its former addresses
    removed: Mapping[str, date]  # slug → when its page was removed

    @classmethod
    def of(cls, label: str) -> "There":
        aliases: dict[str, set[str]] = {}
        for slug, name in Alias.objects.filter(newsletter=label).values_list("slug", "name"):
            aliases.setdefault(slug, set()).add(name)
        removed = RemovedPage.objects.filter(newsletter=label).values_list("slug", "removed_at")
        imported = ArchivedIssue.objects.filter(newsletter=label)
        return cls(
            hashes={
                slug: (page, source)
                for slug, page, source in imported.values_list("slug", "content_sha256", "source_sha256")
            },
            aliases={slug: frozenset(names) for slug, names in aliases.items()},
            removed={slug: removed_at.date() for slug, removed_at in removed},
        )

    def says(self, slug: str, hashes: Hashes, aliases: Collection[str]) -> bool:
        """Tell whether the issue has this page, under these former addresses."""
        same = self.hashes.get(slug) == hashes and slug not in self.removed
        return same and self.aliases.get(slug, frozenset()) == frozenset(aliases)
