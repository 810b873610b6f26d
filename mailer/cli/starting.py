"""`mailer init` and `mailer demo`: the first minutes."""

import errno
import os
from pathlib import Path

import click

from mailer.cli.terminal import Exit, Problem, start

STARTER = Path(__file__).resolve().parents[1] / "starter"
# The folder of a language holds what differs from the files beside it, of which the demo makes its newsletter.
LANGUAGES = ("en", "zh-hans")
# Files whose names would act on this repository if they stood in it under their own.
RENAMED = {"gitignore": ".gitignore", "env.example": ".env.example"}


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--language", type=click.Choice(LANGUAGES), help="Language of the newsletter [default: the terminal's].")
def init(folder: Path, language: str | None) -> None:
    """Start a newsletter in DIR [default: here]. Existing files are kept."""
    for name, source in sorted(_starters_files(language or _terminals_language()).items()):
        target = folder / name.with_name(RENAMED.get(name.name, name.name))
        click.echo(f"{_put(source, target)}  {target}")
    enter = "" if folder == Path() else f"cd {folder}, then "
    click.echo(f"Next: {enter}put your details into newsletter.toml, then run mailer preview issues/hello.md.")


def _terminals_language() -> str:
    """Read the variables in POSIX's order; return English unless one says Chinese."""
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh-hans" if locale.lower().startswith("zh") else "en"


def _starters_files(language: str) -> dict[Path, Path]:
    """Return each file's place in a newsletter's folder, and where it comes from."""
    shared, own = _files_below(STARTER), _files_below(STARTER / language)
    common = {name: path for name, path in shared.items() if name.parts[0] not in LANGUAGES}
    common.pop(Path("readers.csv"))  # invented readers are for the demo
    return common | own


def _files_below(folder: Path) -> dict[Path, Path]:
    return {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}


def _put(source: Path, target: Path) -> str:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(source.read_bytes())
    except FileExistsError:
        return "kept   "
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            target.unlink(missing_ok=True)  # half of it; the next `mailer init` would keep it
            raise Problem(
                f"{target} cannot be written ({error.strerror}); free some space and run it again."
            ) from error
        raise Problem(f"{target} cannot be written ({error.strerror}); choose another folder.") from error
    return "written"


@click.command()
@click.argument("issue", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def demo(issue: Path | None) -> None:
    """Rehearse a whole send to invented subscribers in all states, with ISSUE or the sample.

    It works in var/demo with a database of its own and without your settings: no email goes out, and nothing is
    left behind that affects a real send.
    """
    issue = (issue or STARTER / "issues" / "2026-11-15.md").resolve()
    _forget_settings(issue)
    start()
    from mailer.cli.sending import issue as send_issue

    label = _newsletter_for(issue)
    _invite_invented_subscribers(label)
    click.echo(f"Rehearsing {issue.name} for the newsletter {label}: no email goes out.\n", err=True)
    send_issue.main([str(issue), "--newsletter", label, "--yes"], standalone_mode=False)


def _forget_settings(issue: Path) -> None:
    """Set every setting to empty, so that no `.env` fills it: neither may cause emails to invented people."""
    from mailer.config.newsletter import find_config
    from mailer.providers import settings_of_all

    for name in list(os.environ):
        if name.startswith(("MAILER_", "CELERY_", "DJANGO_")):
            os.environ[name] = ""
    for name in (*settings_of_all(), "DATABASE_URL", "CELERY_BROKER_URL", "REDIS_URL", "BASE_URL"):
        os.environ[name] = ""
    for name in ("SECRET_KEY", "PORT", "MAILER_ENV"):
        os.environ[name] = ""
    os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
    os.environ["MAILER_CONFIG"] = str(find_config(issue.parent) or STARTER / "newsletter.toml")
    os.environ["MAILER_HOME"] = str(Path("var/demo").resolve())


def _newsletter_for(issue: Path) -> str:
    from django.conf import settings

    from mailer.content.issues import read_issue

    named = read_issue(issue, settings.CONFIG).newsletter
    if named and named not in settings.NEWSLETTERS:
        raise Problem(f"{issue} is for a newsletter {named!r}, which {settings.CONFIG} does not have.", Exit.USAGE)
    return named or next(iter(settings.NEWSLETTERS))


def _invite_invented_subscribers(label: str) -> None:
    from subscribers.files.importing import import_csv

    import_csv(STARTER / "readers.csv", label, None, "invented readers of the demo")
