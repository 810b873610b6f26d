"""`mailer render`: write an issue to files, as its subscribers would get it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli import terminal

if TYPE_CHECKING:
    from mailer.content.rendering import RenderedIssue

OF_A_SEND = frozenset({"draft"})  # a draft is rendered to be looked at


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder to write to; default: rendered/ in MAILER_HOME.",
)
@click.option("--newsletter", "name", help="Which newsletter of newsletter.toml.")
def render(file: Path, folder: Path | None, name: str | None) -> None:
    """Render FILE to <slug>.html, <slug>.txt and media/, as subscribers would receive it.

    The unsubscribe link is a sample: each subscriber has their own. The HTML loads the images from media/ beside it;
    the email loads them from your server. Files are written even when findings block, with
    exit code 3; that the issue is a draft does not.
    """
    terminal.start_rendering()
    from django.conf import settings

    from mailer.cli.findings import count_warnings, stop_at_errors, tell
    from mailer.publishing.preparing import prepare, require_sound

    proof = prepare(file, name)
    _write(folder or settings.HOME / "rendered", _files(proof.rendered, settings.BASE_URL))
    click.echo(f"content_sha256 {proof.rendered.content_sha256} ({terminal.SAME_EMAIL})", err=True)
    tell(file, [finding for finding in proof.rendered.findings if finding.rule in OF_A_SEND])
    outcome = "the files are written, but a send would be blocked"
    count_warnings(file, stop_at_errors(file, lambda: require_sound(proof, beside=OF_A_SEND), outcome))


def _files(rendered: "RenderedIssue", base_url: str) -> dict[str, bytes]:
    html, text = rendered.html, rendered.text
    for purpose, token in rendered.placeholders.items():
        sample = f"{base_url}/{purpose}/sample/"
        html, text = html.replace(token, sample), text.replace(token, sample)
    for image in rendered.images:
        # A server has them once the issue is tested or sent; the file is to be opened before.
        html = html.replace(f"{rendered.media_url}{image.name}", f"media/{image.name}")
    images = {f"media/{image.name}": image.content for image in rendered.images}
    return {f"{rendered.slug}.html": html.encode(), f"{rendered.slug}.txt": text.encode(), **images}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise terminal.Problem(
                f"{path} cannot be written ({(error.strerror or '').lower()}); name another folder with -o."
            ) from error
        click.echo(path)
