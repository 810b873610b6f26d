"""`mailer archive build`: the archive as files for any web host."""

import json
from collections.abc import Iterable
from pathlib import Path

import click

from mailer.cli.terminal import Exit, Problem, counted, start

LIST = ".mailer-archive"  # names what an earlier build wrote


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--newsletter", metavar="NAME", help="Which newsletter, if there are several.")
@click.option(
    "--base-url",
    metavar="URL",
    help="Where the files will be, such as https://ada.github.io/weekly/; without it, feeds, shared links and search "
    "engines are led to the archive that `mailer serve` shows.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(folder: Path, newsletter: str | None, base_url: str | None, as_json: bool) -> None:
    """Write the archive of a newsletter to DIR, as files for any web host.

    A browser opens DIR/index.html without a host, too; search runs in it. The same archive gives the same bytes. Run it
    again after a send or a correction: files that changed are written, and those of former builds removed.
    """
    start()
    from django.conf import settings

    from mailer.archive import indexing
    from mailer.publishing.newsletters import choose_newsletter
    from mailer.publishing.sources import sources_of
    from mailer.store.schema import bring_up_to_date
    from mailer.web.static_archive import StaticArchive

    chosen = choose_newsletter(newsletter)
    root = _root(base_url) if base_url else None
    former = _former(folder)
    bring_up_to_date()
    indexing.catch_up()  # what lists say of each issue
    sources = sources_of(chosen, settings.CONFIG_FOLDER)
    written = _write(folder, StaticArchive(chosen, root, sources.found).files(), former)
    facts = {
        "newsletter": chosen.label,
        "folder": str(folder),
        "issues": sources.pages,
        "files": len(written),
        "changed": sum(written.values()),
        "without_markdown": sources.missing,
    }
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(
        f"{counted(sources.pages, 'issue')} of {chosen.label} in {folder}: {counted(len(written), 'file')}, of which "
        f"{sum(written.values())} changed. Open {folder / 'index.html'}"
    )
    if sources.missing:
        named = ", ".join(sources.missing[:5]) + (", …" if len(sources.missing) > 5 else "")
        click.echo(
            f"mailer: {counted(len(sources.missing), 'issue')} without Markdown beside the page, because no file in "
            f"{settings.CONFIG_FOLDER} is what was sent: {named}",
            err=True,
        )


def _root(base_url: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(base_url)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Problem(
            f"--base-url {base_url!r} is no web address; write one such as https://ada.github.io/weekly/", Exit.USAGE
        )
    return base_url.rstrip("/") + "/"


def _former(folder: Path) -> list[str]:
    """Return what a former build wrote to the folder; refuse one that has something else."""
    try:
        return [name for name in (folder / LIST).read_text(encoding="utf-8").split("\n") if name]
    except FileNotFoundError:
        if folder.exists() and any(one for one in folder.iterdir() if one.name not in (".git", ".nojekyll", "CNAME")):
            raise Problem(
                f"{folder} has files that `mailer archive build` did not write; give an empty folder.", Exit.USAGE
            ) from None
        return []
    except OSError as error:
        raise Problem(f"{folder} cannot be read: {error.strerror}") from None


def _write(folder: Path, files: Iterable[tuple[str, bytes]], former: list[str]) -> dict[str, bool]:
    """Write what changed and remove what is not there any more. Return the path of each file → whether it changed."""
    written: dict[str, bool] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _list(folder, former)  # so that a build that is cut short can be repeated
        for name, content in files:
            path = folder / name
            written[name] = not (path.is_file() and path.read_bytes() == content)
            if written[name]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        for name in {*former} - {*written}:
            _remove(folder, folder / name)
        _list(folder, written)
    except OSError as error:
        raise Problem(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return written


def _list(folder: Path, names: Iterable[str]) -> None:
    (folder / LIST).write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")


def _remove(folder: Path, path: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        return
    path.unlink(missing_ok=True)
    for above in path.parents:
        if above == folder or any(above.iterdir()):
            return
        above.rmdir()
