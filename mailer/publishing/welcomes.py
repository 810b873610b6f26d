"""The welcome that whoever confirms gets: find its files, check them, freeze their versions."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError

from mailer.archive import entries
from mailer.checks.proofs import Proof
from mailer.config.newsletter import Newsletter
from mailer.content.filling import MOST_LISTED, Listed, mark_for, slug_at, title_at
from mailer.content.issues import IssueError, read_issue
from mailer.content.markdown import BackIssue
from mailer.content.welcomes import read_name
from mailer.models import REHEARSAL, Welcome
from mailer.publishing.errors import CorrectIssue, CorrectRequest, CorrectSettings, RunAgain
from mailer.publishing.labels import require_new, require_not_renamed
from mailer.publishing.preparing import render, surroundings
from mailer.publishing.sending import require_reachable
from mailer.sending import welcoming
from mailer.sending.planning import Plan, why_refused
from mailer.sending.welcoming import Content, Version
from mailer.store import accounts


def files_of(newsletter: Newsletter) -> list[Path]:
    """Return the files of the newsletter's welcome, that in its own language first; none if it has no welcome."""
    only = len(settings.NEWSLETTERS) == 1
    named = {path: read_name(path, settings.NEWSLETTERS) for path in newsletter.folder.glob("[wW]elcome*.*")}
    ours = {
        path: name.language
        for path, name in named.items()
        if name and (name.newsletter == newsletter.label or (only and not name.newsletter))
    }
    return sorted(ours, key=lambda path: (ours[path], path))


def require_files(newsletter: Newsletter) -> list[Path]:
    """Return the files of the newsletter's welcome. Raises CorrectRequest if there are none."""
    if files := files_of(newsletter):
        return files
    first = newsletter.folder / _first_name(newsletter)
    raise CorrectRequest(f"{newsletter.name} has no welcome; write {first}, as you write an issue. Nothing was done.")


def get_ready(proof: Proof) -> Content:
    """Return a welcome that `require_sound` found nothing in as one that can be frozen. Raises CorrectIssue."""
    path = proof.issue.path
    patterns, mark = _patterns(proof)
    plan = Plan(proof.newsletter, proof.rendered, settings.PROVIDER, settings.BASE_URL)
    if why := why_refused(plan):
        raise CorrectIssue(f"{path}: the provider would not accept this welcome: {why}")
    return Content(plan, patterns, mark, path.name, hashlib.sha256(proof.issue.source).hexdigest())


def require_one_each(newsletter: Newsletter, contents: Sequence[Content]) -> None:
    """Raise CorrectRequest unless there is one welcome for each language, and one in the newsletter's own."""
    files: dict[str, str] = {}
    for content in contents:
        if former := files.get(content.language):
            raise CorrectRequest(f"{former} and {content.file} are both in {content.language}; keep one of them.")
        files[content.language] = content.file
    if newsletter.language not in files:
        raise CorrectRequest(
            f"no welcome is in {newsletter.language}, the language of {newsletter.name}, for subscribers who chose "
            f"none; write {newsletter.folder / _first_name(newsletter)}."
        )


def freeze(newsletter: Newsletter, contents: Sequence[Content]) -> list[Version]:
    """Make this the welcome of those who confirm from now on. Raises Refused."""
    require_new(newsletter.label)
    require_one_each(newsletter, contents)
    if not _rehearsal():
        for content in contents:
            require_not_renamed(newsletter, content.plan.issue.source_sha256)
    require_reachable()
    try:
        accounts.require_account()
        return welcoming.freeze(newsletter, contents, sent_issues(newsletter.label))
    except accounts.UnknownKey as error:
        raise CorrectSettings(str(error)) from None
    except IntegrityError:
        raise RunAgain("somebody else changed this welcome in the meantime; run the command again.") from None


def would_be_new(newsletter: Newsletter, content: Content) -> bool:
    """Tell whether freezing this now would make a new version."""
    return not welcoming.is_frozen(content, on(newsletter).get(content.language))


def turn_off(newsletter: Newsletter) -> int:
    """End the welcome, and return how many subscribers waited for it. Raises CorrectRequest if there is none."""
    if not on(newsletter):
        raise CorrectRequest(f"{newsletter.label} has no welcome that could be ended.")
    return welcoming.turn_off(newsletter.label, rehearsal=_rehearsal())


def on(newsletter: Newsletter) -> dict[str, Welcome]:
    """Return what this process's newsletter welcomes its subscribers with, by language."""
    return welcoming.current(newsletter.label, rehearsal=_rehearsal())


def changed_files(newsletter: Newsletter) -> list[Path]:
    """Return the files that differ from what is frozen, missing ones and new ones too, but no drafts."""
    known = {newsletter.folder / one.file: one.file_sha256 for one in on(newsletter).values()}
    files = [path for path in files_of(newsletter) if not _is_draft(path)]
    now = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return sorted(path for path in {*known, *now} if known.get(path) != now.get(path))


def sent_issues(label: str) -> list[Listed]:
    """Return the newest issues that a welcome may list."""
    return [Listed(entry.slug, entry.title) for entry in entries(label, MOST_LISTED)]


def _patterns(proof: Proof) -> tuple[list[dict[str, str]], str]:
    """Render the welcome with stand-ins for issues: once for each number of them that it can list."""
    mark = mark_for(f"{proof.issue.source.decode('utf-8', 'replace')}{proof.newsletter}")
    full = _pattern(proof, mark, MOST_LISTED)
    lists = sum(title_at(mark, number) in full["html"] for number in range(MOST_LISTED))
    return [*(_pattern(proof, mark, number) for number in range(lists)), full], mark


def _pattern(proof: Proof, mark: str, number: int) -> dict[str, str]:
    around = surroundings()
    archive_url = around.archive_url(proof.newsletter.label)
    stand_ins = [BackIssue(title_at(mark, n), f"{archive_url}{slug_at(mark, n)}/") for n in range(number)]
    rendered = render(proof.issue, proof.newsletter, replace(around, listed=stand_ins)).rendered
    return {name: getattr(rendered, name) for name in ("html", "article", "text", "preheader")}


def _is_draft(file: Path) -> bool:
    try:
        return read_issue(file, settings.CONFIG).is_draft
    except IssueError:
        return False


def _first_name(newsletter: Newsletter) -> str:
    return "welcome.md" if len(settings.NEWSLETTERS) == 1 else f"welcome.{newsletter.label}.md"


def _rehearsal() -> bool:
    return bool(settings.PROVIDER == REHEARSAL)
