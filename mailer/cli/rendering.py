"""`mailer render`: an issue as its readers would get it, in files."""

from pathlib import Path

import click

from mailer.cli import terminal


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
    """Write FILE as <slug>.html, <slug>.txt and media/, as its readers would get it.

    The unsubscribe link is a sample: each reader has another.
    """
    terminal.start(check_schema=False)
    from django.conf import settings

    from mailer.issues import read_issue
    from mailer.rendering import render_issue

    issue = read_issue(file, settings.CONFIG)
    newsletter = settings.NEWSLETTERS[terminal.choose_newsletter(name or issue.newsletter)]
    rendered = render_issue(issue, newsletter, base_url=settings.BASE_URL)
    html, text = rendered.html, rendered.text
    for purpose, token in rendered.placeholders.items():
        sample = f"{settings.BASE_URL}/{purpose}/sample/"
        html, text = html.replace(token, sample), text.replace(token, sample)
    files = {f"{rendered.slug}.html": html.encode(), f"{rendered.slug}.txt": text.encode()}
    files |= {f"media/{image.name}": image.content for image in rendered.images}
    _write(folder or settings.HOME / "rendered", files)


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
