"""`mailer archive build`: the archive as files for any web host."""

import json
from pathlib import Path

import click

from mailer.cli.static_folder import former_files, write_files
from mailer.cli.terminal import Exit, Problem, counted, start


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
    former_files(folder)  # refused before it takes long
    _require_sign_up(settings.BASE_URL, root)
    bring_up_to_date()
    indexing.catch_up()  # what lists say of each issue
    sources = sources_of(chosen, settings.CONFIG_FOLDER)
    site = StaticArchive(chosen, root, sources.found)
    written = write_files(folder, site.files())
    facts = {
        "newsletter": chosen.label,
        "folder": str(folder),
        "issues": sources.pages,
        "files": len(written),
        "changed": sum(written.values()),
        "without_markdown": sources.missing,
        "without_former_address": site.left_out,
    }
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(
        f"{counted(sources.pages, 'issue')} of {chosen.label} in {folder}: {counted(len(written), 'file')}, of which "
        f"{sum(written.values())} changed. Open {folder / 'index.html'}"
    )
    if site.left_out:
        click.echo(
            f"mailer: former addresses that cannot be files beside the others: {', '.join(site.left_out[:5])}", err=True
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


def _require_sign_up(served: str, root: str | None) -> None:
    """Refuse a public archive whose links to sign up lead to the machine of whoever opens it."""
    from urllib.parse import urlsplit

    from mailer.config.environment import LOOPBACK

    if urlsplit(served).hostname not in LOOPBACK:
        return
    why = (
        f"links to sign up lead to {served}, which nobody else can open; set BASE_URL to the address of `mailer serve`"
    )
    if root and urlsplit(root).hostname not in LOOPBACK:
        raise Problem(f"{why}.", Exit.USAGE)
    click.echo(f"mailer: {why} before you publish this.", err=True)
