"""An issue being written: what it looks like now, or why it cannot be shown and how it looked last."""

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from django.template.autoreload import reset_loaders

from mailer.config.newsletter import Newsletter, NewsletterError, read_newsletters
from mailer.content.assets.copies import LOCK
from mailer.content.findings import Finding
from mailer.content.issues import Issue, IssueError, read_issue
from mailer.content.overrides import fault_in
from mailer.content.rendering import RenderedIssue
from mailer.content.welcomes import as_welcome
from mailer.previewing.copying import Copier
from mailer.publishing.preparing import Surroundings, findings_of, render

log = logging.getLogger(__name__)

MOST_TARGETS = 1000  # files looked at for each issue; the one with most images had 74

# Targets of links and images, definitions, and src of raw HTML. Parsing for them would take as long as rendering.
_TARGET = re.compile(
    r"\]\(\s*(?:<([^>\n]{1,300})>|((?:[^\s()]|\([^\s()]{0,300}\))+))"
    r"|^ {0,3}\[[^\]\n]+\]: *<?([^>\s]+)"
    r"|\ssrc=[\"']?([^\"'>\s]+)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Trouble:
    """Why there is nothing new to show. `line` is one of the issue's, 0 if the fault is in another file."""

    line: int
    column: int
    message: str
    fix: str


@dataclass(frozen=True)
class Draft:
    """The issue as it was at one time. After a mistake the email is the last that could be rendered."""

    version: int
    source: str
    trouble: Trouble | None = None
    findings: tuple[Finding, ...] = ()
    rendered: RenderedIssue | None = None
    newsletter: Newsletter | None = None
    issue: Issue | None = None
    milliseconds: float = 0.0


@dataclass(frozen=True)
class Sources:
    """The files that an issue's mail is made of beside its own."""

    config: Path  # newsletter.toml
    template_folders: tuple[Path, ...]
    label: str | None = None  # the newsletter that the command line chose


class Desk:
    """Renders the issue in `file` whenever it is asked to. For one thread."""

    def __init__(self, file: Path, sources: Sources, around: Surroundings) -> None:
        self.file, self.sources, self.around = file, sources, around
        self.copier = Copier(around.images)
        self._last = Draft(0, "")
        self._named: frozenset[Path] = frozenset()

    def draw(self) -> Draft:
        """Return the issue as it is now. Every mistake in it becomes part of the draft; nothing is raised."""
        started = time.perf_counter()
        fresh = replace(self._last, version=self._last.version + 1, source=self._source(), trouble=None, findings=())
        reset_loaders()  # templates are cached, and the editor may be changing one
        try:
            drawn = self._drawn(fresh)
        except IssueError as error:
            drawn = replace(fresh, trouble=Trouble(error.line, error.column, error.message, error.fix))
        except NewsletterError as error:
            drawn = replace(fresh, trouble=Trouble(0, 0, f"{error}", "fix the file; this page updates by itself"))
        except Exception as error:
            trouble = self._of_template(error)
            if trouble is None:
                # The page must not freeze silently; the terminal has the full error.
                log.exception("preview rendering failed")
                trouble = Trouble(0, 0, f"{type(error).__name__} in mailer itself", "report it")
            drawn = replace(fresh, trouble=trouble)
        self._last = replace(drawn, milliseconds=1000 * (time.perf_counter() - started))
        return self._last

    def _of_template(self, error: Exception) -> Trouble | None:
        fault = fault_in(error, self.sources.config.resolve().parent / "templates")
        what, _, fix = (fault or "").rpartition("; ")
        return Trouble(0, 0, what, fix) if fault else None

    def look(self) -> None:
        """Update `files` to what the issue names now. Before rendering, so that no change in between is missed."""
        self._named = frozenset(self._named_by(self._source()))

    def files(self) -> Iterator[Path]:
        """Return every file whose change can change the email, also those that do not exist yet."""
        yield self.file
        yield self.sources.config
        yield self.sources.config.resolve().parent / LOCK
        yield from self._named
        for folder in self.sources.template_folders:
            yield from (folder / "email").rglob("*")

    def _named_by(self, source: str) -> Iterator[Path]:
        """Return where images and logos are, or would be; naming too much does no harm."""
        beside, folder = self.file.resolve().parent, self.sources.config.resolve().parent
        found = islice(_TARGET.finditer(source), MOST_TARGETS)
        targets = [next(filter(None, target.groups()), "") for target in found]
        for start, target in [*((beside, target) for target in targets), *((folder, named) for named in self._look())]:
            path = unquote(target.split("?")[0].split("#")[0])
            if path and ":" not in path and "\0" not in path:
                yield folder / path.lstrip("/") if path.startswith("/") else start / path

    def _look(self) -> list[str]:
        """Return the files of logos and fonts."""
        try:
            known = read_newsletters(self.sources.config).values()
        except NewsletterError:
            return []
        return [name for newsletter in known for name in (newsletter.logo, newsletter.card_font)]

    def _drawn(self, fresh: Draft) -> Draft:
        issue = as_welcome(read_issue(self.file, self.sources.config), read_newsletters(self.sources.config))
        newsletter = self._newsletter(issue)
        proof = render(issue, newsletter, self.around, self.copier.failures)
        self.copier.want(newsletter, proof.rendered.uncopied)
        found = tuple(findings_of(proof))
        return replace(fresh, rendered=proof.rendered, newsletter=newsletter, issue=issue, findings=found)

    def _newsletter(self, issue: Issue) -> Newsletter:
        """Read the newsletter each time: the editor may be changing its name, colour or logo."""
        known = read_newsletters(self.sources.config)
        label = self.sources.label or issue.newsletter or (next(iter(known)) if len(known) == 1 else None)
        if label not in known:
            wanted = f"there is no newsletter {label!r}" if label else "several newsletters are configured"
            raise NewsletterError(f'{wanted}; write "newsletter: …" at the top of the issue, one of {", ".join(known)}')
        return known[label]

    def _source(self) -> str:
        try:
            return self.file.read_bytes().decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        except OSError:
            return ""
