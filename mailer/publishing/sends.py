"""Sends that were planned: which one is meant, and whether this process may continue it."""

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db.models import Q

from mailer.content.issues import IssueError, read_issue
from mailer.content.welcomes import read_name
from mailer.models import Batch, Send, Welcome
from mailer.providers.current import configured_provider
from mailer.publishing.errors import CorrectRequest, Refused, of_issue
from mailer.store.elsewhere import why_not_from_here


def find_send(name: str, newsletter: str | None) -> Send:
    """Return the send of a slug, of NEWSLETTER/SLUG or of an issue's file; a real one before a rehearsal.

    "welcome" is the version of it that somebody must look at, else the newest. Raises CorrectRequest if there is none,
    or several that may be meant, and CorrectIssue.
    """
    short, newsletter = _taken_apart(name, newsletter)
    if is_welcome(short, newsletter):
        return _version_of_welcome(newsletter)
    slug = _slug_of(Path(name)) if Path(name).is_file() else short
    sends = Send.objects.select_related("account").defer("html", "text", "article").filter(slug=slug).order_by("-pk")
    if newsletter:
        sends = sends.filter(newsletter=newsletter)
    real = _real_if_any(sends)
    if not real:
        raise CorrectRequest(f"there is no send {name if short != name else slug!r}; `mailer status` lists them.")
    if len({send.newsletter for send in real}) > 1:
        names = ", ".join(send.newsletter for send in real)
        raise CorrectRequest(f"{slug!r} was sent in several newsletters; choose one with --newsletter: {names}.")
    return real[0]


def _taken_apart(name: str, newsletter: str | None) -> tuple[str, str | None]:
    """Return slug and newsletter of "weekly/2026-11-20", as reports name a send; anything else as it is."""
    label, slash, slug = name.partition("/")
    named = slash and slug and "/" not in slug and newsletter in (None, label) and not Path(name).is_file()
    return (slug, label) if named else (name, newsletter)


def is_welcome(name: str, newsletter: str | None) -> bool:
    """Tell whether this names the welcome: as "welcome", once there was one, or by its file.

    Raises CorrectRequest if an issue has this slug too.
    """
    name, newsletter = _taken_apart(name, newsletter)
    if name == "welcome" and not Path(name).is_file():
        sends = Send.objects.filter(newsletter=newsletter) if newsletter else Send.objects.all()
        version = sends.filter(kind=Send.Kind.WELCOME).order_by("pk").last()
        if version and (issue := sends.issues().filter(slug=name).first()):
            raise CorrectRequest(
                f'"welcome" is an issue of {issue.newsletter} and the welcome of {version.newsletter}; name the file '
                f"of the issue, or the version of the welcome, such as {version.slug}."
            )
        return version is not None
    path = Path(name)
    if not path.is_file() or read_name(path, settings.NEWSLETTERS) is None:
        return False
    return path.resolve().parent == settings.CONFIG_FOLDER.resolve()


def find_welcome(name: str, newsletter: str | None) -> Send:
    """Return the newest version of the welcome, of a real one before a rehearsal.

    A file may name its newsletter. Raises CorrectRequest if there is none, or if several newsletters have one.
    """
    name, newsletter = _taken_apart(name, newsletter)
    named = read_name(Path(name), settings.NEWSLETTERS)
    newsletter = newsletter or (named.newsletter if named else None)
    found = Send.objects.filter(kind=Send.Kind.WELCOME).defer("html", "text", "article").order_by("-pk")
    versions = found.filter(newsletter=newsletter) if newsletter else found
    real = _real_if_any(versions)
    on = set(Welcome.objects.values_list("newsletter", flat=True))
    meant = [send for send in real if send.newsletter in on] or real
    if not meant:
        raise CorrectRequest("there is no welcome; `mailer send welcome` begins one.")
    if len(labels := sorted({send.newsletter for send in meant})) > 1:
        raise CorrectRequest(f"several newsletters have a welcome; choose one with --newsletter: {', '.join(labels)}.")
    return meant[0]


def _version_of_welcome(newsletter: str | None) -> Send:
    found = Send.objects.filter(kind=Send.Kind.WELCOME).select_related("account").defer("html", "text", "article")
    if newsletter:
        found = found.filter(newsletter=newsletter)
    unsettled = Batch.objects.filter(state__in=[Batch.State.PLANNED, Batch.State.POSTING, Batch.State.UNKNOWN])
    paused = Q(state=Send.State.PAUSED, pk__in=Welcome.objects.values("send"))
    to_look_at = found.filter(paused | Q(pk__in=unsettled.values("send"))).order_by("pk")
    real = _real_if_any(to_look_at)
    if len(real) > 1:
        names = ", ".join(f"{send.slug} of {send.newsletter}" for send in real)
        raise CorrectRequest(f"several versions of the welcome are not settled; name one of them: {names}.")
    newest = real[0] if real else found.order_by("-pk").first()
    if newest is None:
        raise CorrectRequest("there is no welcome; `mailer send welcome` begins one.")
    return newest


def _real_if_any(sends: Iterable[Send]) -> list[Send]:
    found = list(sends)
    return [send for send in found if not send.is_rehearsal] or found


def _slug_of(file: Path) -> str:
    try:
        return read_issue(file, settings.CONFIG).slug
    except IssueError as error:
        raise of_issue(error) from error


def require_provider(send: Send) -> None:
    """Raise Refused unless this process may continue the send: with its provider, account and newsletter."""
    names = configured_provider().names
    if send.provider != settings.PROVIDER:
        raise Refused(
            f"{send.slug} was planned for {send.provider}, but this process sends through {settings.PROVIDER}; "
            f"set {names.key} and {names.url} as they were."
        )
    require_own(send)


def require_own(send: Send) -> None:
    """Raise Refused if the send waits for a process with another account or newsletter."""
    if why := why_not_from_here(send):
        raise Refused(f"{send.slug} cannot be sent from here: {why}.")
