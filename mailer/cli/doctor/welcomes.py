"""Whether the welcome that subscribers get is the one in its file, and whether it is sent at all."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings

from mailer.cli.terminal import counted, quoted
from mailer.providers.protocol import Check

if TYPE_CHECKING:
    from mailer.config.newsletter import Newsletter
    from mailer.models import Welcome


def checks() -> Iterator[Check]:
    """Yield a check for each newsletter that has a welcome, in a file or frozen."""
    from mailer.publishing import welcomes

    for newsletter in settings.NEWSLETTERS.values():
        frozen = list(welcomes.on(newsletter).values())
        if frozen or welcomes.files_of(newsletter):
            yield _check(newsletter, frozen)


def _check(newsletter: "Newsletter", frozen: "list[Welcome]") -> Check:
    from mailer.publishing import welcomes

    name, again = f"welcome {newsletter.label}", _command(newsletter)
    changed = ", ".join(quoted(path.name) for path in welcomes.changed_files(newsletter))
    if not frozen:
        return Check(name, "warning", f"{changed} is sent to nobody until `{again}` freezes it")
    if changed:
        return Check(name, "warning", f"{changed} changed since it was frozen; `{again}` sends it from now on")
    for welcome in frozen:
        if welcome.send.state in ("paused", "cancelled"):
            return Check(name, "warning", _stopped(welcome))
    return Check(name, "ok", f"in {', '.join(one.language for one in frozen)}; {_waiting(newsletter.label)}")


def _stopped(welcome: "Welcome") -> str:
    send = welcome.send
    why = f" ({send.reason})" if send.reason else ""
    go_on = f"`mailer resume {send.slug}`" if send.state == "paused" else "`mailer send welcome`"
    return f"{send.slug} is {send.state}{why}, so those who confirm wait for it, a week at most; {go_on} goes on"


def _waiting(label: str) -> str:
    from subscribers.models import WelcomeDue

    return f"{counted(WelcomeDue.objects.filter(newsletter=label).count(), 'subscriber')} due"


def _command(newsletter: "Newsletter") -> str:
    several = len(settings.NEWSLETTERS) > 1
    return f"mailer send welcome --newsletter {newsletter.label}" if several else "mailer send welcome"
