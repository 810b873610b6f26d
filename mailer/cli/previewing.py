"""`mailer preview`: an issue in the browser, rendered again at each save."""

import shlex
import signal
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Problem, explain, start

if TYPE_CHECKING:
    from mailer.archive import Entry
    from mailer.previewing.drafts import Draft
    from mailer.previewing.server import Answered, PreviewServer
    from mailer.previewing.watching import Latest


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; default: any free port.")
@click.option("--newsletter", "name", metavar="NAME", help="Which newsletter of newsletter.toml, if there are several.")
@click.option("--no-open", is_flag=True, help="Print the address; do not open a browser.")
def preview(file: Path, port: int, name: str | None, no_open: bool) -> None:
    """Preview FILE in the browser: desktop, phone, dark mode, plain text, findings.

    The page reloads when you save, for images and templates too. It is served only to this machine, without a network;
    with remote_images = "copy" in newsletter.toml, the issue's remote images are fetched once.
    """
    start(check_schema=False)
    from django.conf import settings

    from mailer.previewing.drafts import Desk, Sources
    from mailer.previewing.watching import Latest, Watcher
    from mailer.publishing.preparing import require_newsletter, surroundings

    require_newsletter(file, name)
    assert settings.CONFIG is not None  # or there were no newsletter
    latest = Latest()
    server = _server(file, port, latest)
    sources = Sources(settings.CONFIG, tuple(settings.TEMPLATE_FOLDERS), name)
    sent = _sent()
    watcher = Watcher(Desk(file, sources, surroundings(lambda label: sent.get(label, ()))), latest)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watcher.start()
    server.start()
    click.echo(server.url)
    click.echo("mailer: the preview reloads when you save (Ctrl-C stops)", err=True)
    if not no_open:
        webbrowser.open(server.url)
    stop.wait()
    server.stop()
    watcher.stop()


def _sent() -> "dict[str, list[Entry]]":
    """Return the issues that links may lead to now. Without its database the preview continues, and says so."""
    from django.db import connection

    from mailer.publishing.archiving import sent_by_newsletter

    try:
        return sent_by_newsletter()
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        click.echo(f"mailer: {problem.message}; links to sent issues lead to source_url here.", err=True)
        return {}
    finally:
        connection.close()


def _server(file: Path, port: int, latest: "Latest") -> "PreviewServer":
    from django.conf import settings

    from mailer.previewing.server import PreviewServer, Site

    site = Site(
        page=_page(file),
        latest=latest,
        unsubscribe=f"{settings.BASE_URL}/unsubscribe/test/",
        send_test=_send_test,
    )
    try:
        return PreviewServer(site, port)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise Problem(f"port {port} cannot be used ({reason}); leave out --port to use any free one.") from error


def _page(file: Path) -> Callable[[str], str]:
    from django.conf import settings
    from django.template.loader import render_to_string

    from mailer.publishing.testing import MARK, MOST

    context = {
        "file": file,
        "quoted_file": shlex.quote(str(file)),
        "provider": settings.PROVIDER,
        "rehearsal": settings.PROVIDER == "rehearsal",
        "mark": MARK,
        "most": MOST,
    }
    return lambda root: render_to_string("preview/page.html", context | {"root": root})


def _send_test(draft: "Draft", written: list[str]) -> "Answered":
    """Send the test that the button asks for. Every failure is answered; none may end the preview."""
    from django.db import connection

    from mailer.previewing.server import Answered
    from mailer.previewing.testing import send_test

    try:
        return send_test(draft, written)
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        return Answered(False, problem.message)
    finally:
        connection.close()  # of this request's thread
