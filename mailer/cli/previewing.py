"""`mailer preview`: an issue in the browser, drawn anew at each save."""

import shlex
import signal
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Problem, choose_newsletter, explain, start

if TYPE_CHECKING:
    from mailer.archive import Entry
    from mailer.previewing.drafts import Draft, Surroundings
    from mailer.previewing.server import Answered, PreviewServer
    from mailer.previewing.watching import Latest


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; default: any that is free.")
@click.option("--newsletter", "name", metavar="NAME", help="Which newsletter of newsletter.toml, if there are several.")
@click.option("--no-open", is_flag=True, help="Print the address only; open no browser.")
def preview(file: Path, port: int, name: str | None, no_open: bool) -> None:
    """Show FILE in the browser as its readers will get it: desktop, phone, dark mode, plain text, findings.

    The page follows each save, of images and templates too. It is served to this machine only, and needs no network.
    """
    start(check_schema=False)
    from mailer.previewing.drafts import Desk
    from mailer.previewing.watching import Latest, Watcher

    _require_newsletter(file, name)
    latest = Latest()
    server = _server(file, port, latest)
    watcher = Watcher(Desk(file, _surroundings(name)), latest)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watcher.start()
    server.start()
    click.echo(server.url)
    click.echo("mailer: the preview follows each save (Ctrl-C stops)", err=True)
    if not no_open:
        webbrowser.open(server.url)
    stop.wait()
    server.stop()
    watcher.stop()


def _require_newsletter(file: Path, name: str | None) -> None:
    """A newsletter is chosen; a mistake in the issue is for the page to show."""
    from django.conf import settings

    from mailer.content.issues import IssueError, read_issue

    wanted = name
    if name is None and settings.NEWSLETTERS:
        try:
            wanted = read_issue(file, settings.CONFIG).newsletter
        except IssueError:
            return
    choose_newsletter(wanted)


def _surroundings(name: str | None) -> "Surroundings":
    from django.conf import settings

    from mailer.archive import archive_root
    from mailer.cli.proofing import back_issues
    from mailer.previewing.drafts import Surroundings

    assert settings.CONFIG is not None  # or there were no newsletter
    sent = _sent()
    labels = list(settings.NEWSLETTERS)

    def archive_url(label: str) -> str:
        return archive_root(settings.BASE_URL, label, labels)

    return Surroundings(
        config=settings.CONFIG,
        template_folders=tuple(settings.TEMPLATE_FOLDERS),
        base_url=settings.BASE_URL,
        rehearsal=settings.PROVIDER == "rehearsal",
        local=settings.PROVIDER_IS_LOCAL,
        sent_slugs=lambda label: frozenset(entry.slug for entry in sent.get(label, [])),
        archive_url=archive_url,
        back_issues=lambda label, slug: back_issues(slug, sent.get(label, []), archive_url(label)),
        label=name,
    )


def _sent() -> "dict[str, list[Entry]]":
    """The issues that links may lead to, as of now. Without its database the preview goes on, and says so."""
    from django.conf import settings
    from django.db import connection

    from mailer.archive import entries
    from mailer.store.schema import bring_up_to_date

    try:
        bring_up_to_date()
        return {label: entries(label) for label in settings.NEWSLETTERS}
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        click.echo(f"mailer: {problem.message}; links to issues that were sent lead to source_url here.", err=True)
        return {}
    finally:
        connection.close()


def _server(file: Path, port: int, latest: "Latest") -> "PreviewServer":
    from django.conf import settings

    from mailer.previewing.server import PreviewServer, Site

    site = Site(
        page=_page(file),
        latest=latest,
        base_url=settings.BASE_URL,
        unsubscribe=f"{settings.BASE_URL}/unsubscribe/test/",
        send_test=_send_test,
    )
    try:
        return PreviewServer(site, port)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise Problem(f"port {port} cannot be used ({reason}); leave --port out to take any that is free.") from error


def _page(file: Path) -> Callable[[str], str]:
    from django.conf import settings
    from django.template.loader import render_to_string

    from mailer.publishing.testmail import MARK, MOST

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
    """The button: the same as `mailer send test`, for the draft that the page shows."""
    from django.conf import settings
    from django.db import connection

    from mailer.previewing.server import Answered
    from mailer.providers.current import rehearsals
    from mailer.publishing.testmail import read_addressees, send_test
    from mailer.store.schema import bring_up_to_date
    from subscribers.addresses import AddressError

    assert draft.rendered is not None
    assert draft.newsletter is not None
    try:
        to = read_addressees(written)
        bring_up_to_date()
        outcome = send_test(draft.rendered, draft.newsletter, to)
    except AddressError as error:
        return Answered(False, str(error))
    except Exception as error:
        problem = explain(error)
        if problem is None:
            raise
        return Answered(False, problem.message)
    finally:
        connection.close()  # of this request's thread
    if not outcome.accepted:
        return Answered(False, outcome.words)
    addresses = ", ".join(address.email for address in to)
    if settings.PROVIDER == "rehearsal":
        return Answered(
            True, f"Rehearsed for {addresses}. Nobody received mail; the mail is in {rehearsals() / 'mail'}."
        )
    return Answered(True, f"{settings.PROVIDER} accepted the test for {addresses}.")
