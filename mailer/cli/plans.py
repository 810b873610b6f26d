"""Show what `mailer send issue` would do, and put its question, in the words of the person who wrote the issue."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from mailer.cli.terminal import counted, database_address, one_line, quoted
from mailer.content.dates import in_words

if TYPE_CHECKING:
    from mailer.content.findings import Finding
    from mailer.publishing.sending import Proposal

_IMAGES = re.compile(r'<img\b[^<>]*?\bsrc="(https?://[^"]+)"')
LARGE_GIF = 2_000_000  # bytes; whoever sends one should mean it

# What a plan shows as `action`, by the value of mailer.sending.existing.Action that --json gives.
DRY_RUN_WOULD = {
    "plan": "would be planned and sent",
    "replace": "would replace an earlier plan that was never sent",
    "attach": "would continue: it was planned before and has not ended",
    "resume": "would ask whether to resume: it is paused",
    "held": "would stay paused: `mailer status` says why, `mailer resume` resumes it",
    "show": "would send nothing: it has ended, and its result would be shown",
    "refuse": "would be refused: the file differs from what was planned",
}


def show_plan(proposal: "Proposal", warnings: Sequence["Finding"], *, verbose: bool) -> None:
    """Print on stderr what would be sent, to whom, and what is odd about it."""
    _print_rows(_rows(proposal, warnings, verbose), err=True)
    if proposal.is_rehearsal:
        click.echo("This is a rehearsal: no email will go out.", err=True)


def show_dry_run(proposal: "Proposal", warnings: Sequence["Finding"], *, verbose: bool) -> None:
    """Print on stdout what would be done."""
    would = DRY_RUN_WOULD[proposal.action.value]
    _print_rows([*_rows(proposal, warnings, verbose), ("action", would)], err=False)
    if proposal.is_rehearsal:
        click.echo("This is a rehearsal: no email will go out.", err=True)


def show_dry_run_as_json(proposal: "Proposal") -> None:
    click.echo(json.dumps(_facts(proposal) | {"action": proposal.action.value}, ensure_ascii=False))


def question(proposal: "Proposal") -> str:
    """Return what is asked before an issue goes out: its subject, its date, and how many people get it."""
    issue, newsletter = proposal.plan.issue, proposal.plan.newsletter
    day = (f" ({in_words(issue.day)})" if issue.day else "") + _large_gifs(proposal)
    number = f"{proposal.audience:,}"
    people = f"{number} {'subscriber' if proposal.audience == 1 else 'subscribers'} of {newsletter.name}"
    if proposal.when:
        return one_line(f'Send "{issue.subject}"{day} on {proposal.when}, to those subscribed then, now {people}?')
    return one_line(f'Send "{issue.subject}"{day} to {people}?')


def _print_rows(rows: Sequence[tuple[str, str]] | Iterator[tuple[str, str]], *, err: bool) -> None:
    for name, value in rows:
        click.echo(one_line(f"{name:>14}  {value}"), err=err)


def _rows(proposal: "Proposal", warnings: Sequence["Finding"], verbose: bool) -> Iterator[tuple[str, str]]:
    """Yield what an editor looks at before the button; the rest only when asked for."""
    plan, issue, newsletter = proposal.plan, proposal.plan.issue, proposal.plan.newsletter
    yield "newsletter", newsletter.name
    yield "subject", issue.subject
    yield "preheader", issue.preheader or "none"
    yield "date", _date(proposal)
    yield "from", f"{newsletter.from_name} <{newsletter.from_email}>"
    yield "subscribers", _subscribers(proposal)
    if proposal.when:
        yield "at", proposal.when
    if newsletter.max_per_hour:
        yield "at most", f"{newsletter.max_per_hour:,} an hour"
    yield "images", _images(proposal)
    yield "size", f"{len(issue.html.encode()) / 1000:.0f} kB of HTML"
    yield "findings", _findings(proposal, warnings)
    yield "provider", plan.provider
    if verbose:
        yield "account", proposal.account
        yield "database", database_address()
        yield "label", newsletter.label
        yield "slug", issue.slug
        yield "source_sha256", issue.source_sha256
        yield "content_sha256", issue.content_sha256


def _date(proposal: "Proposal") -> str:
    day = proposal.plan.issue.day
    shown = in_words(day) if day else "none"
    return f"{shown}: {proposal.too_old}" if proposal.too_old else shown


def _subscribers(proposal: "Proposal") -> str:
    """Say how many would get it, and why fewer than the last issue, if they are fewer."""
    from mailer.publishing.audiences import losses_since

    number, last = f"{proposal.audience:,}", proposal.last_sent
    if proposal.is_rehearsal or last is None or proposal.audience >= last.planned:
        return number
    reasons = ", ".join(f"{loss.subscribers:,} {loss.why}" for loss in losses_since(last))
    fewer = f"{number}; {last.planned - proposal.audience:,} fewer than {last.slug} had"
    return f"{fewer}: since then {reasons}" if reasons else fewer


def _images(proposal: "Proposal") -> str:
    """Say how many and how large they are, what all subscribers together load from which host, and how many do not
    come from there.
    """
    issue = proposal.plan.issue
    size = sum(len(image.content) for image in issue.images)
    others = {address for address in _IMAGES.findall(issue.html) if not address.startswith(issue.media_url)}
    elsewhere = f"{len(others):,} from {'other sites' if len(others) > 1 else 'another site'}" if others else ""
    if not size:
        return elsewhere or "none"
    host = urlsplit(issue.media_url).hostname
    everybody = f"{_in_bytes(size * proposal.audience)} from {host} for {counted(proposal.audience, 'subscriber')}"
    return "; ".join(filter(None, (f"{len(issue.images)}, {_in_bytes(size)}: {everybody}", elsewhere)))


def _in_bytes(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}" if size < 10 * unit else f"{size / unit:,.0f} {name}"
    return f"{size / 1000:,.0f} kB"


def _large_gifs(proposal: "Proposal") -> str:
    """Return what the question says of animations that are a burden on a phone; "" if there are none."""
    sizes = [len(one.content) for one in proposal.plan.issue.images if one.extension == "gif"]
    large = [size for size in sizes if size > LARGE_GIF]
    return f" with {counted(len(large), 'GIF')} of {_in_bytes(sum(large))}" if large else ""


def _findings(proposal: "Proposal", warnings: Sequence["Finding"]) -> str:
    if not warnings:
        return "none"
    rules = ", ".join(f"{rule} ×{n}" if n > 1 else rule for rule, n in Counter(one.rule for one in warnings).items())
    return f"{counted(len(warnings), 'warning')} ({rules}); `mailer check {quoted(proposal.file)}` lists them"


def _facts(proposal: "Proposal") -> dict[str, object]:
    """Return the plan as `--dry-run --json` prints it."""
    issue, newsletter = proposal.plan.issue, proposal.plan.newsletter
    facts: dict[str, object] = {
        "provider": proposal.plan.provider,
        "account": proposal.account,
        "database": database_address(),
        "newsletter": newsletter.label,
        "slug": issue.slug,
        "subject": issue.subject,
        "from": f"{newsletter.from_name} <{newsletter.from_email}>",
        "audience": proposal.audience,
        "content_sha256": issue.content_sha256,
    }
    if proposal.when:
        facts["at"] = proposal.when
    if newsletter.max_per_hour:
        facts["max_per_hour"] = newsletter.max_per_hour
    return facts
