"""Bring issues that were published elsewhere into the archive: look at what would become of each file, then do it.

`plan_import` writes nothing but copies of remote images, as a send does. It keeps neither the text nor the images of
any file, because ten thousand may be too many for a small server: `carry_out` reads and renders anew what it keeps.
"""

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError

from mailer.archive import Entry, entries, importing, indexing
from mailer.config.newsletter import Newsletter
from mailer.content.assets.copies import Failure
from mailer.content.dates import in_words, meant_by
from mailer.content.findings import Finding
from mailer.content.issues import Issue, IssueError, read_issue, slug_of
from mailer.models import REHEARSAL, Alias, Send
from mailer.publishing import cards
from mailer.publishing.aliases import Claims
from mailer.publishing.archived import There
from mailer.publishing.archiving import page_address
from mailer.publishing.correcting import require_public_address, require_sound_page
from mailer.publishing.errors import CorrectIssue, RunAgain
from mailer.publishing.issue_files import Found, find_files
from mailer.publishing.newsletters import choose_newsletter
from mailer.publishing.preparing import Reachable, Surroundings, render, surroundings
from mailer.publishing.unsent import first_sent, is_sample, today_of, why_unsent
from mailer.store import page_images


class Fate(StrEnum):
    """What becomes of a file."""

    NEW = "new"
    CHANGED = "changed"
    RESTORED = "restored"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True)
class Planned:
    """A file, and what becomes of it."""

    file: Path
    fate: Fate
    newsletter: str = ""
    slug: str = ""
    title: str = ""
    day: date | None = None
    aliases: tuple[str, ...] = ()
    reason: str = ""  # why it is skipped or refused, and what to do
    findings: tuple[Finding, ...] = ()  # that block
    digest: str = ""  # of what the file said when the plan was made

    @property
    def url(self) -> str:
        return page_address(self.newsletter, self.slug) if self.slug and self.fate is not Fate.REFUSED else ""


@dataclass(frozen=True)
class ImportPlan:
    planned: tuple[Planned, ...]
    around: Surroundings
    failures: Mapping[str, Failure] = field(default_factory=dict)  # remote images that were not copied

    def of(self, *fates: Fate) -> list[Planned]:
        return [one for one in self.planned if one.fate in fates]

    @property
    def kept(self) -> list[Planned]:
        """Return what `carry_out` puts into the archive."""
        return self.of(Fate.NEW, Fate.CHANGED, Fate.RESTORED)

    @property
    def uncopied(self) -> dict[str, Failure]:
        """Return the remote images that the pages will load from their own sites; a lost one refuses its file."""
        return {address: why for address, why in self.failures.items() if not why.loses_the_image}

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(one.fate for one in self.planned)
        return {fate.value: found[fate] for fate in Fate}


@dataclass(frozen=True)
class Terms:
    """How files are to be imported."""

    newsletter: str | None = None  # or the one that each file names
    ignored: frozenset[str] = frozenset()
    restore: bool = False  # pages that were removed


def plan_import(
    paths: Iterable[Path], terms: Terms, copying: Callable[[int], None] = lambda number: None
) -> ImportPlan:
    """Return what would become of these files, and of the Markdown files in these folders.

    `copying` is told how many remote images are fetched, if the newsletter copies them. Raises CorrectRequest,
    CorrectSettings, and RunAgain if a file changed while others were read.
    """
    read = tuple(_claimed(_read(find_files(paths), terms)))
    plan = ImportPlan(read, _surroundings(read))
    there = {label: There.of(label) for label in {one.newsletter for one in plan.of(Fate.NEW)}}
    for label in there:
        _require_public_address(label)
    judged = [_judge(one, plan, there, terms) for one in plan.planned]
    if missing := [one for one in judged if one.uncopied]:
        plan = replace(plan, failures=_copied(missing, copying))
        judged = [_judge(one.planned, plan, there, terms) if one.uncopied else one for one in judged]
    return replace(plan, planned=tuple(_compared(judged, there, terms)))


def carry_out(plan: ImportPlan, done: Callable[[Planned], object] = lambda one: None) -> None:
    """Put into the archive what the plan says is new or changed, one by one: a command that dies can be repeated.

    `done` is told of each file once its page is there. Raises RunAgain if another command took a slug or an address
    meanwhile, or a file changed.
    """
    together = {label: _slugs(plan.planned, label) for label in {one.newsletter for one in plan.kept}}
    for one in plan.kept:
        proof = render(_reread(one), _newsletter(one.newsletter), plan.around, plan.failures)
        issue = proof.rendered
        # Before its page says so: after a kill in between, the next import does both again.
        cards.renew_card(proof.newsletter, issue.slug, issue.subject, issue.language)
        try:
            importing.keep(one.newsletter, issue, one.aliases, together[one.newsletter])
        except IntegrityError:
            raise RunAgain(
                f"{one.file}: another command changed the archive in the meantime; run the command again."
            ) from None
        done(one)
    for label in dict.fromkeys(one.newsletter for one in plan.kept):
        cards.keep_look(_newsletter(label))  # a newsletter that has sent nothing yet has no icon either
    indexing.catch_up()  # a sixth of what importing takes; a worker takes an hour for ten thousand


def without_card(plan: ImportPlan) -> dict[str, int]:
    """Return how many of the pages that the plan keeps have no card, by newsletter."""
    known = {label: page_images.with_card(label) for label in {one.newsletter for one in plan.kept}}
    return dict(Counter(one.newsletter for one in plan.kept if one.slug not in known[one.newsletter]))


# ---------------------------------------------------------------- what the files say


def _read(found: Iterable[Found], terms: Terms) -> Iterator[Planned]:
    first, sends = cache(first_sent), cache(_sends)
    for one in found:
        if one.leads_to:
            why = f"is a link to {one.leads_to}, which is no issue of its folder; give that file if you mean it"
            yield Planned(one.path, Fate.REFUSED, reason=why)
            continue
        try:
            issue = read_issue(one.path, settings.CONFIG)
        except IssueError as error:
            yield Planned(one.path, Fate.REFUSED, findings=(error.finding,))
            continue
        newsletter = choose_newsletter(terms.newsletter or issue.newsletter)
        planned = Planned(
            file=one.path,
            fate=Fate.NEW,
            newsletter=newsletter.label,
            slug=issue.slug,
            title=issue.title,
            day=issue.date,
            aliases=issue.aliases,
            digest=_digest(issue),
        )
        was_sent = _was_sent(planned, sends(newsletter.label))
        skipped = was_sent or _without_day(planned, issue, one) or _not_published(planned, issue)
        if not skipped and not one.is_named:
            skipped = _not_sent_yet(planned, first(newsletter.label))
        yield skipped or planned


def _digest(issue: Issue) -> str:
    return sha256(issue.source).hexdigest()


def _reread(one: Planned) -> Issue:
    """Return the issue as it was when it was planned. Raises RunAgain if the file says something else now."""
    with suppress(IssueError):
        issue = read_issue(one.file, settings.CONFIG)
        if _digest(issue) == one.digest:
            return issue
    raise RunAgain(f"{one.file}: the file changed in the meantime; run the command again.")


def _sends(label: str) -> dict[str, tuple[str, bool]]:
    """Return state and start of each slug that has a page of its own, or will: not of what came to nothing."""
    real = Send.objects.filter(newsletter=label).exclude(provider=REHEARSAL)
    planned = real.exclude(state=Send.State.CANCELLED, first_request_at=None)
    return {
        slug: (state, first is not None)
        for slug, state, first in planned.values_list("slug", "state", "first_request_at")
    }


def _was_sent(planned: Planned, sends: Mapping[str, tuple[str, bool]]) -> Planned | None:
    if planned.slug not in sends:
        return None
    state, started = sends[planned.slug]
    why = f"was sent; `mailer archive update {_quoted(planned.file)}` corrects its page"
    if not started:
        why = f"is planned as a send ({state}), and gets its page from that"
    return replace(planned, fate=Fate.SKIPPED, reason=why)


def _quoted(file: Path) -> str:
    return shlex.quote(str(file))


def _without_day(planned: Planned, issue: Issue, found: Found) -> Planned | None:
    if planned.day:
        return None
    written = issue.undated
    if written and not written.startswith(("9999", "0000")):  # which stand for "not yet" in many archives
        meant = meant_by(written)
        fix = f"write it as {meant}" if meant else "write year, month and day, such as 2019-06-29"
        return _refused(planned, f'has the date "{written[:40]}", which cannot be read; {fix}')
    if not found.is_named:
        return replace(planned, fate=Fate.SKIPPED, reason="has no date, as a page of the archive must")
    return _refused(planned, 'has no date, as a page of the archive must; write "date: 2019-06-29" at its top')


def _not_published(planned: Planned, issue: Issue) -> Planned | None:
    if issue.is_draft:
        return replace(planned, fate=Fate.SKIPPED, reason="is a draft")
    if issue.restricted:
        why = f"was not for everybody ({issue.restricted}), as the archive is; remove that line to import it"
        return replace(planned, fate=Fate.SKIPPED, reason=why)
    if planned.day and planned.day > today_of(_newsletter(planned.newsletter)):
        return replace(planned, fate=Fate.SKIPPED, reason=f"is dated {in_words(planned.day)}, which is still to come")
    return None


def _not_sent_yet(planned: Planned, first: Send | None) -> Planned | None:
    """Skip what is in a folder and waits to be sent; `first` is the first issue that was sent from here."""
    assert planned.day is not None
    why = "is the sample that `mailer init` wrote" if is_sample(planned.file) else ""
    why = why or why_unsent(planned.slug, planned.day, _newsletter(planned.newsletter), first)
    if not why:
        return None
    why = f"{why}; to import it all the same, name {_quoted(planned.file)} itself"
    return replace(planned, fate=Fate.SKIPPED, reason=why)


def _claimed(read: Iterable[Planned]) -> Iterator[Planned]:
    """Give each slug and former address to the first issue that asks for it, unless the archive has it already."""
    files = list(read)
    to_claim = [one for one in files if one.fate is Fate.NEW]
    paths: dict[str, str] = {}
    claims: dict[str, Claims] = {}
    for one in files:
        if one.fate is not Fate.NEW:
            yield one
            continue
        if one.newsletter not in claims:
            claims[one.newsletter] = Claims.of(one.newsletter, _slugs(to_claim, one.newsletter), paths)
        known = claims[one.newsletter]
        claiming = replace(one, aliases=known.names_of(one.aliases, one.slug))
        why = known.claim(one.slug, claiming.aliases, str(one.file))
        yield _refused(claiming, why) if why else claiming


def _slugs(files: Iterable[Planned], label: str) -> set[str]:
    return {one.slug for one in files if one.newsletter == label}


def _refused(planned: Planned, reason: str) -> Planned:
    return replace(planned, fate=Fate.REFUSED, reason=reason)


# ---------------------------------------------------------------- what their pages would say


def _surroundings(read: Sequence[Planned]) -> Surroundings:
    """Return surroundings in which these issues have their pages already, so that they can link to each other."""
    labels = {one.newsletter for one in read if one.fate is Fate.NEW}
    listed = {label: _listed(label, read) for label in labels}
    # Once for all files: for each file it would be as many steps as there are files.
    reachable = {
        label: Reachable(frozenset(entry.slug for entry in listed[label]), _moved(label, read)) for label in labels
    }
    return replace(surroundings(lambda label: listed.get(label, [])), reachable=reachable.__getitem__)


def _listed(label: str, read: Sequence[Planned]) -> list[Entry]:
    new = {one.slug: _entry(one) for one in read if one.fate is Fate.NEW and one.newsletter == label}
    there = [entry for entry in entries(label) if entry.slug not in new or not entry.imported]
    known = {entry.slug for entry in there}
    listed = [*there, *(entry for slug, entry in new.items() if slug not in known)]
    return sorted(listed, key=lambda entry: entry.place, reverse=True)


def _entry(one: Planned) -> Entry:
    assert one.day is not None
    noon = importing.noon(one.day)
    return Entry(one.slug, one.title, "", "", one.day, "", noon, None, imported=True)


def _moved(label: str, read: Sequence[Planned]) -> dict[str, str]:
    """Return the slugs of the newsletter's issues by their former addresses, and by the names of their files."""
    known = dict(Alias.objects.filter(newsletter=label).values_list("name", "slug"))
    for one in read:
        if one.fate is Fate.NEW and one.newsletter == label:
            known |= {slug_of(one.file.resolve()): one.slug, **dict.fromkeys(one.aliases, one.slug)}
    return known


@dataclass(frozen=True)
class Judged:
    """A file whose page was made once, to see what it would say."""

    planned: Planned
    hashes: tuple[str, str] = ("", "")  # of the page, and of the source: Markdown is published only as it was imported
    uncopied: tuple[str, ...] = ()  # remote images of which a copy is missing


def _judge(one: Planned, plan: ImportPlan, there: Mapping[str, There], terms: Terms) -> Judged:
    if one.fate is not Fate.NEW:
        return Judged(one)
    try:
        proof = render(_reread(one), _newsletter(one.newsletter), plan.around, plan.failures)
        rendered = proof.rendered
        hashes = importing.content_of(rendered), rendered.source_sha256
        # A page that is there stays, whatever newer rules say of it; checking takes twice as long as rendering.
        if not there[one.newsletter].says(one.slug, hashes, one.aliases):
            require_sound_page(proof, terms.ignored)
    except IssueError as error:
        return Judged(replace(one, fate=Fate.REFUSED, findings=(error.finding,)))
    except CorrectIssue as refused:
        return Judged(replace(one, fate=Fate.REFUSED, findings=refused.findings))
    return Judged(replace(one, title=rendered.subject), hashes, tuple(rendered.uncopied))


def _copied(missing: Sequence[Judged], copying: Callable[[int], None]) -> dict[str, Failure]:
    from mailer.publishing.remote_images import copy_images  # what makes requests takes a while to load

    copying(len({address for one in missing for address in one.uncopied}))
    failures: dict[str, Failure] = {}
    for label in dict.fromkeys(one.planned.newsletter for one in missing):
        addresses = [address for one in missing if one.planned.newsletter == label for address in one.uncopied]
        failures |= copy_images(_newsletter(label), settings.HOME / "images", dict.fromkeys(addresses))
    return failures


# ---------------------------------------------------------------- what the archive has


def _compared(judged: Iterable[Judged], there: Mapping[str, There], terms: Terms) -> Iterator[Planned]:
    for one in judged:
        planned = one.planned
        yield _compare(one, there[planned.newsletter], terms) if planned.fate is Fate.NEW else planned


def _compare(judged: Judged, there: There, terms: Terms) -> Planned:
    one = judged.planned
    if day := there.removed.get(one.slug):
        if terms.restore:
            return replace(one, fate=Fate.RESTORED)
        why = f"has a page that was removed on {in_words(day)}; add --restore to put it back"
        return replace(one, fate=Fate.SKIPPED, reason=why)
    if one.slug not in there.hashes:
        return one
    return replace(one, fate=Fate.UNCHANGED if there.says(one.slug, judged.hashes, one.aliases) else Fate.CHANGED)


def _newsletter(label: str) -> Newsletter:
    found: Newsletter = settings.NEWSLETTERS[label]
    return found


def _require_public_address(label: str) -> None:
    """Refuse pages whose images stand on the editor's laptop, if the newsletter is sent from elsewhere."""
    sends = Send.objects.filter(newsletter=label).exclude(provider=REHEARSAL).order_by("-created_at")
    if base_url := sends.values_list("base_url", flat=True).first():
        require_public_address(base_url)
