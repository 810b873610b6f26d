"""Find the files that issues with a page were made from."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from mailer.archive import sources
from mailer.config.newsletter import FILE_NAME, Newsletter
from mailer.content.issues import Issue, IssueError, read_issue
from mailer.publishing.issue_files import find_files
from mailer.publishing.preparing import Surroundings, render


@dataclass(frozen=True)
class Sources:
    """The Markdown of a newsletter's issues that have a page."""

    pages: int  # issues that have one
    found: Mapping[str, bytes]  # slug → source
    missing: tuple[str, ...]  # slugs of which no file here says what their page does


def sources_of(newsletter: Newsletter, folder: Path) -> Sources:
    """Return the Markdown in the folder, at any depth, of the issues that have a page.

    A file that was changed after it was sent is left out: nobody said that the change may be published.
    """
    known = sources(newsletter.label)
    found: dict[str, bytes] = {}
    for file in find_files([folder]):
        if file.leads_to:
            continue
        with suppress(IssueError, OSError):
            issue = read_issue(file.path, folder / FILE_NAME)
            # Links and lists of other issues are not in the hash.
            if issue.slug in known and _hash(issue, newsletter) == known[issue.slug]:
                found.setdefault(issue.slug, issue.source)
    return Sources(len(known), found, tuple(sorted(known.keys() - found.keys())))


def _hash(issue: Issue, newsletter: Newsletter) -> str:
    return render(issue, newsletter, Surroundings(settings.BASE_URL, rehearsal=False)).rendered.source_sha256
