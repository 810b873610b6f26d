"""`mailer send test`: send exactly what subscribers would get to a few people who look at it first."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import SAME_EMAIL, Exit, Problem, counted, quoted, start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.checks.proofs import Proof
    from mailer.content.findings import Finding
    from mailer.publishing.testing import Outcome
    from subscribers.addresses import Address


@click.command("test")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("more", nargs=-1, metavar="")
@click.option(
    "--to", "first", multiple=True, required=True, metavar="ADDRESS...", help="Recipients of the test; at most 20."
)
@click.option("--newsletter", "name", metavar="NAME", help="Which newsletter of newsletter.toml, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print what was sent as JSON.")
def test(file: Path, more: tuple[str, ...], first: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Send the issue in FILE to ADDRESS... as subscribers would receive it, with [TEST] before its subject.

    No subscriber or statistic changes, and the unsubscribe link says that it is a test. Findings that would block
    `send issue` are shown but do not block. Without a provider's key it is a rehearsal: no email goes out.
    """
    start()
    from mailer.cli.findings import say_copying
    from mailer.publishing.errors import CorrectRequest
    from mailer.publishing.preparing import findings_of, prepare_to_send
    from mailer.publishing.testing import read_recipients

    try:
        to = read_recipients((*first, *more))
    except CorrectRequest as error:
        raise Problem(f"{error} Nothing was sent.", Exit.USAGE) from None
    proof = prepare_to_send(file, name, say_copying)
    findings, facts = findings_of(proof), _facts(proof, to)
    if not as_json:
        _show(facts)
        _show_findings(file, findings)
    outcome = _send(proof, to)
    if as_json:
        listed = [vars(finding) for finding in findings]
        click.echo(
            json.dumps(
                {**facts, "findings": listed, "accepted": outcome.accepted, "words": outcome.detail}, ensure_ascii=False
            )
        )
    else:
        _tell(outcome, to)
    raise click.exceptions.Exit(Exit.DONE if outcome.accepted else Exit.FAILED)


def _send(proof: "Proof", to: "Sequence[Address]") -> "Outcome":
    """Send the test; show what we refuse as what the provider refuses: it was not accepted, and why."""
    from mailer.publishing.errors import Refused
    from mailer.publishing.testing import Outcome, send_test

    try:
        return send_test(proof.rendered, proof.newsletter, to)
    except Refused as error:
        return Outcome(False, str(error))


def _facts(proof: "Proof", to: "Sequence[Address]") -> dict[str, object]:
    from django.conf import settings

    from mailer.publishing.testing import MARK
    from mailer.store.accounts import name_here

    rendered, newsletter = proof.rendered, proof.newsletter
    return {
        "provider": settings.PROVIDER,
        "account": name_here(),
        "newsletter": newsletter.label,
        "slug": rendered.slug,
        "subject": MARK + rendered.subject,
        "from": f"{newsletter.from_name} <{newsletter.from_email}>",
        "to": [address.email for address in to],
        "content_sha256": rendered.content_sha256,
    }


def _show(facts: dict[str, object]) -> None:
    for name, value in facts.items():
        click.echo(f"{name:>14}  {', '.join(value) if isinstance(value, list) else value}", err=True)
    click.echo(f"{'':>14}  ({SAME_EMAIL})", err=True)


def _show_findings(file: Path, findings: "list[Finding]") -> None:
    from mailer.checks import blocking
    from mailer.cli.findings import say_uncopied, tell

    errors = blocking(findings)
    tell(file, errors)
    if errors:
        click.echo("mailer: these would block `send issue`, but not a test.", err=True)
    say_uncopied(file, findings)
    if others := len(findings) - len(errors):
        kind = "further finding" if errors else "finding"
        lists = f"lists {counted(others, kind)}, {'not an error' if others == 1 else 'none of them an error'}"
        click.echo(f"mailer: `mailer check {quoted(file)}` {lists}.", err=True)


def _tell(outcome: "Outcome", to: "Sequence[Address]") -> None:
    from django.conf import settings

    from mailer.providers.current import rehearsals

    if not outcome.accepted:
        raise Problem(f"the test was not accepted: {outcome.detail}")
    if settings.PROVIDER == "rehearsal":
        click.echo(f"Rehearsed: no email went out; it is in {rehearsals() / 'mail'}.")
    else:
        copies = "the test" if len(to) == 1 else f"{len(to)} copies of the test"
        click.echo(f"{settings.PROVIDER} accepted {copies}.")
