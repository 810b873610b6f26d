"""How a send stands, in sentences: for the terminal, and for the mail to whoever did not watch it."""

from collections.abc import Iterator

from django.conf import settings

from mailer.config.times import describe
from mailer.models import Send
from mailer.sending.accounting import Equation, count, possibly_twice
from mailer.sending.receiving import outages_of, refusals_of
from mailer.sending.reconciling import doubts_of
from mailer.store import clock, presence
from mailer.store.elsewhere import why_not_from_here


def in_words(send: Send) -> Iterator[str]:
    """The state, the equation, and a sentence for each thing that is open."""
    equation = count(send)
    yield f"{send.newsletter}/{send.slug}: {send.state}{f' — {send.reason}' if send.reason else ''}"
    yield str(equation)
    yield from _open_ends(send, equation)
    yield from _from_receivers(send)


def when(send: Send) -> str:
    """When a scheduled send fires, in its newsletter's time zone."""
    newsletter = settings.NEWSLETTERS.get(send.newsletter)
    assert send.due_at is not None
    return describe(send.due_at, newsletter.timezone if newsletter else "UTC", clock.now())


def _open_ends(send: Send, equation: Equation) -> Iterator[str]:
    slug = send.slug
    if send.state == Send.State.PAUSED:
        yield f"To go on: mailer resume {slug}. To end it: mailer cancel {slug}."
    if send.state == Send.State.SCHEDULED:
        yield f"It goes out {when(send)}, to those who may be mailed then; mailer cancel {slug} takes it back."
    if send.state == Send.State.SENDING and (idle := presence.idle_workers(clock.now())):
        yield idle
    elsewhere = why_not_from_here(send) if send.state in (Send.State.SENDING, Send.State.SCHEDULED) else ""
    if elsewhere:
        yield f"Not from here: {elsewhere}."
    elif send.state == Send.State.SENDING:
        yield f"It is not over: run a worker, or the same command again; mailer status {slug} shows how it stands."
    if equation.assumed:
        yield f"{equation.assumed} of the accepted count as mailed on your word (--assume-sent)."
    if equation.unknown:
        yield (
            f"{equation.unknown} readers: it is not known whether the provider took their mail. "
            f"mailer reconcile {slug} shows the requests and settles them."
        )
        yield from _why_unknown(send)
    if twice := possibly_twice(send):
        yield (
            f"{twice} readers possibly have it twice: what was unknown was sent again, and the first request may have "
            "arrived."
        )
    if equation.rejected:
        yield f"{equation.rejected} readers were refused by the provider: mailer status {slug} --list rejected."


def _why_unknown(send: Send) -> Iterator[str]:
    """What the unknown requests of a send wait for."""
    proven = (
        "events show that nobody has it, and a worker sends it again"
        if send.on_unknown == Send.OnUnknown.RESEND
        else "events show that nobody has it; it may be sent again"
    )
    for doubt, readers in doubts_of(send).items():
        yield f"  {readers} of them: {doubt.label if doubt else proven}."


def _from_receivers(send: Send) -> Iterator[str]:
    for one in refusals_of(send.pk):
        yield f"{_readers(one.readers)} got nothing ({one.policy.key}): {one.policy.says}. To do: {one.policy.fix}."
    for outage in outages_of(send.pk):
        yield (
            f"{_readers(outage.readers)} at {outage.domain} bounced as if they did not exist, which looks like an "
            f"outage there: they are skipped until {outage.until:%Y-%m-%d %H:%M} UTC, and suppressed only if they "
            "bounce again after that."
        )


def _readers(count: int) -> str:
    return f"{count} reader{'' if count == 1 else 's'}"
