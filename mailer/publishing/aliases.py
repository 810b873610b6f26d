"""Slugs and former addresses are one namespace in each newsletter: an address leads to one issue."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import Resolver404, resolve

from mailer.archive import archive_root
from mailer.models import REHEARSAL, Alias, ArchivedIssue, Send

ANOTHER_SLUG = 'give one of them another "slug: …" at its top'


@dataclass
class Claims:
    """Who has which name in a newsletter: the archive, and the files of an import before this one."""

    label: str
    slugs: dict[str, str] = field(default_factory=dict)  # of the archive; slug → what has it
    aliases: dict[str, str] = field(default_factory=dict)  # name → slug
    elsewhere: dict[str, str] = field(default_factory=dict)  # paths that lead to an issue of another newsletter
    files: dict[str, str] = field(default_factory=dict)  # slug → file
    claimed: dict[str, str] = field(default_factory=dict)  # former address → file
    paths: dict[str, str] = field(default_factory=dict)  # likewise, of the files of all newsletters: one has them

    @classmethod
    def of(cls, label: str, anew: Collection[str] = (), paths: dict[str, str] | None = None) -> "Claims":
        """Return what the archive has, without the former addresses of issues that are imported anew.

        `paths` is what the claims of one import share.
        """
        real = Send.objects.filter(newsletter=label).exclude(provider=REHEARSAL)
        known = [*real.values_list("slug", flat=True)]
        known += ArchivedIssue.objects.filter(newsletter=label).values_list("slug", flat=True)
        own = Alias.objects.filter(newsletter=label).values_list("name", "slug")
        others = Alias.objects.exclude(newsletter=label).filter(newsletter__in=settings.NEWSLETTERS)
        return cls(
            label,
            slugs={slug: f"the issue {slug}" for slug in known},
            aliases={name: slug for name, slug in own if slug not in anew},  # more than SQLite takes as parameters
            elsewhere=dict(others.filter(name__startswith="/").values_list("name", "newsletter")),
            paths={} if paths is None else paths,
        )

    def names_of(self, aliases: Iterable[str], slug: str) -> tuple[str, ...]:
        """Return the former addresses of an issue, without its own address here."""
        root = urlsplit(archive_root("", self.label, list(settings.NEWSLETTERS))).path
        names = (name.removeprefix(root) if name.count("/") == root.count("/") else name for name in aliases)
        return tuple(name for name in dict.fromkeys(names) if name != slug)

    def claim(self, slug: str, aliases: Sequence[str], file: str) -> str:
        """Note that the file has this slug and these former addresses. Return why it cannot; "" if it can."""
        if why := self._why_not_slug(slug) or next(filter(None, (self._why_not(one, slug) for one in aliases)), ""):
            return why
        self.files[slug] = file
        self.claimed |= dict.fromkeys(aliases, file)
        self.paths |= {name: file for name in aliases if name.startswith("/")}
        return ""

    def _why_not_slug(self, slug: str) -> str:
        if slug in self.files:
            return f"has the slug {slug}, as {self.files[slug]} has; {ANOTHER_SLUG}"
        if slug in self.claimed:
            return f"has the slug {slug}, which is a former address of {self.claimed[slug]}; {ANOTHER_SLUG}"
        if self.aliases.get(slug, slug) != slug:
            return f"has the slug {slug}, which is a former address of {self.aliases[slug]}; {ANOTHER_SLUG}"
        return ""

    def _why_not(self, name: str, slug: str) -> str:
        taken = self.files.get(name) or self.claimed.get(name) or self.paths.get(name) or self.slugs.get(name)
        if not taken and self.aliases.get(name, slug) != slug:
            taken = f"the issue {self.aliases[name]}"
        if not taken and name in self.elsewhere:
            taken = f"an issue of {self.elsewhere[name]}"
        if taken:
            return f'has the former address "{name}", which leads to {taken}; remove it from one of them'
        if name.startswith("/") and _is_ours(name):
            return f'has the former address "{name}", which is an address of mailer itself; remove it'
        return ""


def _is_ours(path: str) -> bool:
    """Tell whether a page of mailer answers there. The archive asks for former addresses before it says that it has
    no such issue.
    """
    for one in (path, f"{path}/"):
        try:
            found = resolve(one)
        except Resolver404:
            continue
        return found.url_name not in ("archive_issue", "archive_issue_of")
    return False
