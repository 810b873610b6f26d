"""Show what `mailer check --fix` would change in a file, ask, and write it."""

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import confirm, printable

if TYPE_CHECKING:
    from mailer.publishing.fixing import Correction

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def fix(file: Path, asking: Callable[[int], None] | None, yes: bool) -> None:
    """Correct what has one right answer in `file`, after showing it and a yes."""
    from mailer.publishing.fixing import propose, write

    proposed = propose(file, asking)
    if proposed is None:
        return
    if proposed.unasked:
        stay = "link with http: stays" if proposed.unasked == 1 else "links with http: stay"
        click.echo(f"{file}: {proposed.unasked} {stay}; add --links to ask whether their sites have https.", err=True)
    if not proposed.changes:
        click.echo(f"{file}: nothing to fix.", err=True)
        return
    for line in _diff(proposed):
        click.echo(click.style(printable(line), fg=COLOURS.get(line[:1])), err=True)
    confirm(f"Write this to {file}?", yes)
    write(proposed)
    click.echo(f"{file}: fixed.", err=True)


def _diff(proposed: "Correction") -> Iterator[str]:
    before, after = (content.decode("utf-8-sig").splitlines() for content in (proposed.before, proposed.after))
    yield from difflib.unified_diff(before, after, f"{proposed.file}", f"{proposed.file} (fixed)", lineterm="", n=1)
