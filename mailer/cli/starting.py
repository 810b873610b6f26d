"""`mailer init` and `mailer demo`: the first minutes."""

import os
from datetime import date
from pathlib import Path, PurePath

import click

from mailer.cli import folders
from mailer.cli.folders import STARTER
from mailer.cli.terminal import Exit, Problem, on_terminal, quoted, start
from mailer.config.languages import read_language
from mailer.config.newsletter import FILE_NAME, why_invalid

# Setting → what `init` asks, in the order of its questions. A blank answer keeps what is invented.
QUESTIONS = {
    "name": "Name of the newsletter",
    "from_email": "Sender, an address of your own domain",
    "postal_address": "Postal address, which the law requires in each email",
    "language": "Language",
}


def _language(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return read_language(value) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}") from None


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--name", metavar="NAME", help="Name of the newsletter.")
@click.option("--from-email", metavar="ADDRESS", help="Sender: an address of your own domain.")
@click.option("--postal-address", metavar="TEXT", help="Postal address for the end of each email.")
@click.option(
    "--language",
    metavar="CODE",
    callback=_language,
    help="Language of the newsletter, such as en or zh-hans [default: the terminal's].",
)
def init(
    folder: Path, name: str | None, from_email: str | None, postal_address: str | None, language: str | None
) -> None:
    """Start a newsletter in DIR [default: here]. Existing files are kept.

    At a terminal it asks for name, sender, postal address and language, unless one of them is given. In a folder that
    has issues it writes no samples.
    """
    given = {"name": name, "from_email": from_email, "postal_address": postal_address, "language": language}
    details = {key: value for key, value in given.items() if value is not None}
    for key, value in details.items():
        if why := why_invalid(key, value):
            raise Problem(f"{key} = {value!r} {why}", Exit.USAGE)
    if not details and on_terminal() and not (folder / FILE_NAME).exists():
        details = _ask()
    _write(folder, details)


def _ask() -> dict[str, str]:
    """Ask for what nobody can invent; leave out what was left blank."""
    answers = {}
    for key, question in QUESTIONS.items():
        default = terminals_language() if key == "language" else ""
        while answer := click.prompt(question, default=default, show_default=bool(default), err=True).strip():
            if not (why := why_invalid(key, answer)):
                answers[key] = answer
                break
            click.echo(f"{answer!r} {why}", err=True)
    return answers


MOST_FOLDERS = 4  # that a message names


def _write(folder: Path, details: dict[str, str]) -> None:
    language = read_language(details.get("language") or terminals_language())
    found, started = folders.issues_in(folder), (folder / FILE_NAME).exists()
    for name, source in sorted(folders.starters_files(language).items()):
        if found and folders.is_sample(name):
            continue
        target = folder / name
        content = _content(name, source, folder, details | {"language": language})
        did = folders.put_ignored(content, target) if name.name == ".gitignore" else folders.put(content, target)
        click.echo(f"{did}  {target}")
    if found:
        number = f"{len(found[0])} issue{'s' if len(found[0]) > 1 else ''}"
        others = [f", {len(group)} in {group[0].parent}" for group in found[1:MOST_FOLDERS]]
        more = f" and in {len(found) - MOST_FOLDERS} more folders" if len(found) > MOST_FOLDERS else ""
        click.echo(f"{number} found in {found[0][0].parent}{''.join(others)}{more}; no samples added.")
    enter = "" if folder == Path() else f"cd {quoted(folder)}, then "
    missing = [] if started else [key for key in ("name", "from_email", "postal_address") if key not in details]
    fill_in = f"put your {_listed(missing)} into {FILE_NAME}, then " if missing else ""
    first = found[0][0].relative_to(folder) if found else PurePath("issues/hello.md")
    click.echo(f"Next: {enter}{fill_in}run mailer preview {quoted(first)}.")


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _content(name: PurePath, source: Path, folder: Path, details: dict[str, str]) -> bytes:
    content = source.read_bytes()
    if name.name == "hello.md":
        return folders.dated(content, date.today())  # noqa: DTZ011 — the day where the editor is
    if name.name != FILE_NAME:
        return content
    given = details.get("name")
    label = folders.label_of(given, folder) if given else "edge-notes"
    return folders.with_details(content.decode(), label, details).encode()


def terminals_language() -> str:
    """Read the variables in POSIX's order; return English unless one says Chinese."""
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh-hans" if locale.lower().startswith("zh") else "en"


# What the demo says, by the terminal's language.
REHEARSING = {
    "en": "Rehearsing {issue} for the newsletter {label}: no email goes out.\n",
    "zh-hans": "演习：为刊物 {label} 发送 {issue}，不会寄出任何邮件。\n",
}
AFTERWARDS = {
    "en": "\nThe subscribers are invented. Start a newsletter of your own: mailer init",
    "zh-hans": "\n以上读者都是虚构的。创建你自己的刊物：mailer init",
}


@click.command()
@click.argument("issue", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def demo(issue: Path | None) -> None:
    """Rehearse a whole send to invented subscribers in all states, with ISSUE or the sample.

    It works in var/demo with a database of its own and without your settings: no email goes out, and nothing is
    left behind that affects a real send. The sample is in the terminal's language, English or Chinese.
    """
    language = terminals_language()
    issue = issue.resolve() if issue else _sample(language)
    _forget_settings(issue)
    start()
    from mailer.cli.sending import issue as send_issue

    label = _newsletter_for(issue)
    _invite_invented_subscribers(label)
    click.echo(REHEARSING[language].format(issue=issue.name, label=label), err=True)
    try:
        send_issue.main([str(issue), "--newsletter", label, "--yes"], standalone_mode=False)
    except SystemExit:  # as each send ends
        click.echo(AFTERWARDS[language], err=True)
        raise


def _sample(language: str) -> Path:
    """Write the sample newsletter of this language below var/demo; return its issue."""
    folder = Path("var/demo/newsletter").resolve()
    for name, source in folders.starters_files(language).items():
        if folders.is_sample(name) or name.name == FILE_NAME:
            (folder / name).unlink(missing_ok=True)
            folders.put(source.read_bytes(), folder / name)
    return folder / "issues" / "2026-11-15.md"


def _forget_settings(issue: Path) -> None:
    """Set every setting to nothing, which a `.env` does not fill: neither may lead to mailing invented people."""
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
