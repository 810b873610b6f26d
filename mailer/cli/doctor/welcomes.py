"""Whether the welcome that subscribers get is the one in its file, and whether it is sent at all."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings

from mailer.cli.terminal import counted, quoted
from mailer.providers.protocol import Check

if TYPE_CHECKING:
    from mailer.config.newsletter import Newsletter
    from mailer.models import Send, Welcome


def checks() -> Iterator[Check]:
    """Yield a check for each newsletter that has a welcome, in a file or frozen, or whose subscribers wait for one."""
    from mailer.publishing import welcome_reports, welcomes

    stopped = welcome_reports.stopped()
    for newsletter in settings.NEWSLETTERS.values():
        frozen = list(welcomes.on(newsletter).values())
        theirs = [send for send in stopped if send.newsletter == newsletter.label]
        if frozen or theirs or welcomes.changed_files(newsletter):
            yield _check(newsletter, frozen, theirs)


def _check(newsletter: "Newsletter", frozen: "list[Welcome]", stopped: "list[Send]") -> Check:
    name = f"welcome {newsletter.label}"
    for problem in _problems(newsletter, frozen, stopped):
        return Check(name, "warning", problem)
    return Check(name, "ok", f"in {', '.join(one.language for one in frozen)}; {_waiting(newsletter.label)}")


def _problems(newsletter: "Newsletter", frozen: "list[Welcome]", stopped: "list[Send]") -> Iterator[str]:
    from mailer.publishing import welcome_reports, welcomes

    again = _command(newsletter)
    yield from map(welcome_reports.why_stopped, stopped)
    changed = ", ".join(quoted(path.name) for path in welcomes.changed_files(newsletter))
    if not frozen:
        yield f"{changed} is sent to nobody until `{again}` freezes it"
        return
    if changed:
        yield f"{changed} changed since it was frozen; `{again}` sends it from now on"
    yield from filter(None, (_why_not_from_here(welcome.send, again) for welcome in frozen))
    if newsletter.language not in {welcome.language for welcome in frozen}:
        yield (
            f"none is in {newsletter.language}, the language of {newsletter.name}, so subscribers who chose no other "
            f"language get none; `{again}` says which file it needs"
        )


def _why_not_from_here(send: "Send", again: str) -> str:
    from mailer.store.elsewhere import why_not_from_here

    why = why_not_from_here(send)
    return f"{send.slug} is not sent from here: {why}; `{again}` sends it from here from now on" if why else ""


def _waiting(label: str) -> str:
    from subscribers.models import WelcomeDue

    return f"{counted(WelcomeDue.objects.filter(newsletter=label).count(), 'subscriber')} due"


def _command(newsletter: "Newsletter") -> str:
    several = len(settings.NEWSLETTERS) > 1
    return f"mailer send welcome --newsletter {newsletter.label}" if several else "mailer send welcome"
