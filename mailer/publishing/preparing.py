"""Turn a file into an email with everything there is to say about it: read, render and check."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import DatabaseError

from mailer.archive import Entry, archive_root, before, entries
from mailer.checks import blocking, check, without
from mailer.checks.proofs import Proof
from mailer.config.newsletter import Newsletter
from mailer.config.rules import why_not_ignored
from mailer.content.assets.copies import Failure, read_copies
from mailer.content.filling import MOST_LISTED
from mailer.content.findings import Finding
from mailer.content.issues import Issue, IssueError, NotAnIssue, read_issue
from mailer.content.markdown import BackIssue, may_list_issues
from mailer.content.rendering import render_issue
from mailer.content.welcomes import as_welcome
from mailer.publishing.errors import CorrectIssue, CorrectRequest, of_issue
from mailer.publishing.newsletters import choose_newsletter

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reachable:
    """The issues of a newsletter that links of another one can lead to."""

    sent: frozenset[str]  # slugs of those that have a page
    moved: Mapping[str, str] = field(default_factory=dict)  # their slugs by what else links call them

    @cached_property
    def known(self) -> frozenset[str]:
        return self.sent | self.moved.keys()


@dataclass(frozen=True)
class Surroundings:
    """What an issue's email depends on beside its file and its newsletter."""

    base_url: str
    rehearsal: bool
    local: bool = False  # the provider is on this machine
    newsletters: tuple[str, ...] = ()  # labels, in the order of newsletter.toml
    sent: Callable[[str], Sequence[Entry]] = lambda label: ()  # issues of a newsletter that have a page, newest first
    images: Path | None = None  # where copies of remote images lie
    listed: Sequence[BackIssue] | None = None  # by the issue, if it asks for it, instead of what was sent
    reachable: Callable[[str], Reachable] | None = None  # of a newsletter, made once for many files; else by `sent`

    def archive_url(self, label: str) -> str:
        """Return the URL under which a newsletter's pages stand; ends in a slash."""
        return archive_root(self.base_url, label, list(self.newsletters))


def surroundings(sent: Callable[[str], Sequence[Entry]] | None = None) -> Surroundings:
    """Return the surroundings of this process; `sent` replaces the database's answer."""
    return Surroundings(
        base_url=settings.BASE_URL,
        rehearsal=settings.PROVIDER == "rehearsal",
        local=settings.PROVIDER_IS_LOCAL,
        newsletters=tuple(settings.NEWSLETTERS),
        sent=sent or _sent,
        images=Path(settings.HOME) / "images",
    )


def prepare(file: Path, newsletter: str | None) -> Proof:
    """Read and render `file` for the newsletter asked for, the one that it names itself, or the only one there is.

    What is mailed is `proof.rendered`, to the byte, whichever use case asks. Raises CorrectIssue and CorrectRequest.
    """
    try:
        issue = as_welcome(read_issue(file, settings.CONFIG), settings.NEWSLETTERS)
        return render(issue, choose_newsletter(newsletter or issue.newsletter), surroundings())
    except IssueError as error:
        raise of_issue(error) from error


def prepare_to_send(file: Path, newsletter: str | None, telling: Callable[[int], None]) -> Proof:
    """Prepare, with copies of the remote images if the newsletter mails copies: those that are missing are fetched.

    `telling` is told how many before. What cannot be fetched is among the findings. Raises CorrectSettings too.
    """
    proof = prepare(file, newsletter)
    if not proof.rendered.uncopied:
        return proof
    from mailer.publishing.remote_images import copy_images  # what makes requests takes a while to load

    telling(len(proof.rendered.uncopied))
    around = surroundings()
    assert around.images is not None
    failures = copy_images(proof.newsletter, around.images, proof.rendered.uncopied)
    return render(proof.issue, proof.newsletter, around, failures)


def require_newsletter(file: Path, newsletter: str | None) -> None:
    """Raise CorrectRequest if no newsletter can be chosen for `file`, and CorrectIssue if it can be no issue.

    Ignore mistakes in the issue itself.
    """
    named = None
    try:
        named = as_welcome(read_issue(file, settings.CONFIG), settings.NEWSLETTERS).newsletter
    except NotAnIssue as error:
        raise of_issue(error) from error
    except IssueError:
        if newsletter is None and settings.NEWSLETTERS:
            return
    choose_newsletter(newsletter or named)


def render(
    issue: Issue, newsletter: Newsletter, around: Surroundings, failures: Mapping[str, Failure] | None = None
) -> Proof:
    """Render the issue as its subscribers would get it; `failures`: remote images that were just not fetched.

    Raises IssueError.
    """
    copies = None
    if newsletter.remote_images == "copy" and around.images:
        copies = read_copies(newsletter.folder, around.images, failures)
    listed, archive_url = around.sent(newsletter.label), around.archive_url(newsletter.label)
    known = around.reachable(newsletter.label) if around.reachable else _reachable(listed)
    rendered = render_issue(
        issue,
        newsletter,
        base_url=around.base_url,
        sent_slugs=known.sent,
        moved=known.moved,
        archive_url=archive_url,
        back_issues=_back_issues(issue, listed, archive_url) if around.listed is None else around.listed,
        copies=copies,
    )
    return Proof(issue, rendered, newsletter, around.rehearsal, around.base_url, known.known, around.local)


def _reachable(sent: Iterable[Entry]) -> Reachable:
    return Reachable(frozenset(entry.slug for entry in sent))


def _back_issues(issue: Issue, sent: Sequence[Entry], archive_url: str) -> list[BackIssue]:
    if not may_list_issues(issue.body):
        return []
    listed = sent[:MOST_LISTED] if issue.welcome else before(issue.slug, list(sent))
    return [BackIssue(entry.title, f"{archive_url}{quote(entry.slug, safe='')}/") for entry in listed]


def require_known_rules(ignored: Iterable[str]) -> None:
    """Raise CorrectRequest unless each rule exists and may be ignored."""
    for rule in ignored:
        if why := why_not_ignored(rule):
            raise CorrectRequest(f"--ignore {rule}: {why}")


def findings_of(proof: Proof, ignored: Iterable[str] = NONE) -> list[Finding]:
    """Return what the rules found, without what the issue, its newsletter or `ignored` leaves out."""
    return check(proof, frozenset(ignored))


def findings_behind_links(proof: Proof, asking: Callable[[int], None]) -> list[Finding]:
    """Ask the site behind each link whether its page is there; `asking` is told how many pages that makes."""
    from mailer.checks import fetching

    addresses = fetching.places(proof)
    asking(len(addresses))
    return without(fetching.look(proof, fetching.fetch(addresses)), proof.ignored)


def check_file(
    file: Path, newsletter: str | None, ignored: Iterable[str] = NONE, asking: Callable[[int], None] | None = None
) -> list[Finding]:
    """Return all that there is to say about the file, in its order; also why it cannot become an email.

    With `asking` the sites behind its links are asked too. Raises CorrectRequest.
    """
    try:
        proof = prepare(file, newsletter)
    except CorrectIssue as error:
        return without(error.findings, set(ignored))
    found = findings_of(proof, ignored)
    if asking:
        found += findings_behind_links(proof, asking)
    return without(sorted(found), set(ignored))


def require_sound(proof: Proof, ignored: Iterable[str] = NONE, *, beside: frozenset[str] = NONE) -> list[Finding]:
    """Return the warnings of an issue without errors. Raises CorrectIssue with the errors of any other.

    `beside`: rules that do not matter to what is done with the issue, not even those that cannot be ignored.
    """
    found = [finding for finding in findings_of(proof, ignored) if finding.rule not in beside]
    if errors := blocking(found):
        raise CorrectIssue(f"{proof.issue.path} has {len(errors)} errors; correct them first.", errors)
    return [finding for finding in found if finding.severity == "warning"]


def _sent(newsletter: str) -> list[Entry]:
    """Return issues with a page in the archive; none if there is no database yet, which looking does not create."""
    database = settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"] and not Path(database["NAME"]).is_file():
        return []
    try:
        return entries(newsletter)
    except DatabaseError:
        return []
