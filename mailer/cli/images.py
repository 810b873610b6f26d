"""`mailer images`: the copies of remote images that issues are mailed with."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Exit, Problem, confirm, counted, one_line, start_rendering

LOCK = "images.lock"
WRITTEN_BY = (
    'with remote_images = "copy" in newsletter.toml, `mailer preview` and `mailer send` name there what they copy'
)

if TYPE_CHECKING:
    from mailer.content.assets.images import Image
    from mailer.publishing.remote_images import Refreshed


@click.group()
def images() -> None:
    """Renew copies of remote images, or remove those that are no longer used."""


@images.command()
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
def refresh(addresses: tuple[str, ...]) -> None:
    """Fetch the images at each ADDRESS again, or all that images.lock names, and show which changed.

    Issues that are sent from now on have the new images; what was sent or planned keeps its own. An image that cannot
    be fetched keeps its former copy, and the exit code is 1.
    """
    start_rendering()
    from django.conf import settings

    from mailer.publishing.remote_images import refresh_images

    folder = _folder()
    known = _known(folder)
    for address in addresses:
        if address not in known:
            raise Problem(f"{address} is not in {folder / LOCK}; {WRITTEN_BY}.", Exit.USAGE)
    asked = addresses or tuple(known)
    click.echo(f"mailer: fetching {counted(len(asked), 'image')} …", err=True)
    done = []
    for one in refresh_images(folder, settings.HOME / "images", asked):
        done.append(one)
        if line := _line(one):
            click.echo(one_line(line))
    _summarize(done)


@images.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(yes: bool) -> None:
    """Show the images in images.lock that nothing names any more, and remove them with their copies.

    All texts in the folder of newsletter.toml are searched: issues, templates and settings. An issue elsewhere, or in
    another branch, has its images copied again when it is sent. What was sent or planned keeps its own.
    """
    start_rendering()
    from django.conf import settings

    from mailer.publishing.unused_images import forget_images, unused_images

    folder = _folder()
    _known(folder)
    unused = unused_images(folder)
    if not unused:
        click.echo(f"Each image in {LOCK} is in use.")
        return
    for address in unused:
        click.echo(one_line(address))
    confirm(f"Remove {counted(len(unused), 'image')} that nothing in {folder} names from {LOCK}?", yes)
    forget_images(folder, settings.HOME / "images", unused)
    click.echo(f"{len(unused)} removed; commit {LOCK}.")


def _folder() -> Path:
    from django.conf import settings

    if not settings.NEWSLETTERS:
        raise Problem(f"no newsletter.toml at or above {settings.CONFIG_FOLDER}; run `mailer init`.", Exit.USAGE)
    folder: Path = next(iter(settings.NEWSLETTERS.values())).folder
    return folder


def _known(folder: Path) -> dict[str, str]:
    from mailer.content.assets.copies import read_lock

    known = read_lock(folder)
    if not known:
        raise Problem(f"{folder / LOCK} names no image; {WRITTEN_BY}.", Exit.USAGE)
    return known


def _line(one: "Refreshed") -> str:
    if one.failure:
        return f"failed   {one.address}  {one.failure.reason}; the former copy stays; {one.failure.fix}"
    if one.changed:
        return f"changed  {one.address}  {_shown(one.before)} → {_shown(one.after)}"
    return ""


def _shown(image: "Image | None") -> str:
    if image is None:
        return "not here"
    return f"{image.width} × {image.height}, {max(1, round(len(image.content) / 1000)):,} kB"


def _summarize(done: "list[Refreshed]") -> None:
    failed = sum(one.failure is not None for one in done)
    changed = sum(one.changed for one in done)
    click.echo(f"{changed} changed, {len(done) - failed - changed} as before, {failed} failed.")
    if failed:
        raise SystemExit(Exit.FAILED)
