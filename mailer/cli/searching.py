"""`mailer archive search`: the issues that say these words, as visitors of the archive find them."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Exit, Problem, counted, one_line, start
from mailer.content.dates import in_words

if TYPE_CHECKING:
    from mailer.archive.searching import Found, Piece, Result

INDEXING = 5.0  # seconds; what takes longer is left to a worker, or to the next search


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WORDS...")
@click.option("--newsletter", metavar="NAME", help="Which newsletter, if there are several.")
@click.option("--page", "number", metavar="N", type=click.IntRange(1), default=1, help="Twenty more for each number.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def search(words: tuple[str, ...], newsletter: str | None, number: int, as_json: bool) -> None:
    """Print the issues of the archive that have all WORDS in their title, preheader or text.

    It finds what the search of the web page finds: those whose title has the words first, then the newest. Words of
    three letters or more are found by their beginning, Chinese and Japanese ones by any characters in a row.
    """
    start()
    from mailer.archive import indexing, searching
    from mailer.archive.terms import readable
    from mailer.publishing.newsletters import choose_newsletter

    label = choose_newsletter(newsletter).label
    if not indexing.catch_up(INDEXING):
        click.echo("mailer: not all issues are indexed yet; a worker goes on, and so does each search.", err=True)
    query = readable(" ".join(words))
    found = searching.search(label, query, number)
    if found is None:
        raise Problem(f"{query!r} has no word to look for; give one or more.", Exit.USAGE)
    if as_json:
        click.echo(json.dumps(_facts(label, found), ensure_ascii=False))
        return
    for result in found.results:
        click.echo("\n".join(_lines(label, result)))
    if message := _message(label, found):
        click.echo(f"mailer: {message}", err=True)


def _lines(label: str, result: "Result") -> Iterator[str]:
    from mailer.publishing.archiving import page_address

    yield f"{_marked(result.title)} ({in_words(result.dated)})"
    yield f"  {page_address(label, result.slug)}"
    if result.excerpt:
        yield f"  {_marked(result.excerpt)}"


def _marked(pieces: "Sequence[Piece]") -> str:
    return "".join(click.style(one_line(one.text), bold=True) if one.hit else one_line(one.text) for one in pieces)


def _message(label: str, found: "Found") -> str:
    if not found.count:
        return f"no issue of {label} has all of these words; try fewer or different ones."
    if found.number < found.last:
        return f"{counted(found.count, 'issue')} found; add --page {found.number + 1} for the next ones."
    return ""


def _facts(label: str, found: "Found") -> dict[str, object]:
    from mailer.publishing.archiving import page_address

    rows = [
        {
            "slug": one.slug,
            "title": _plain(one.title),
            "date": one.dated.isoformat(),
            "language": one.language,
            "url": page_address(label, one.slug),
            "excerpt": _plain(one.excerpt),
        }
        for one in found.results
    ]
    return {"count": found.count, "page": found.number, "pages": found.last, "issues": rows}


def _plain(pieces: "Sequence[Piece]") -> str:
    return "".join(one.text for one in pieces)
