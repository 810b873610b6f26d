"""Describe the progress of a send in sentences: for the terminal, and for the email about an unwatched send."""

from collections.abc import Iterator

from django.conf import settings

from mailer.config.times import describe
from mailer.models import Planning, Send
from mailer.sending.accounting import Equation, count, expected, possibly_twice
from mailer.sending.circuit_breaker import held_up
from mailer.sending.domains import outages_of, refusals_of
from mailer.sending.planning import audience_size
from mailer.sending.reconciling import doubts_of
from mailer.store import clock, presence
from mailer.store.elsewhere import why_not_from_here


def in_words(send: Send) -> Iterator[str]:
    """Yield the state, the equation, and a sentence for each thing that is open."""
    equation = count(send)
    state = progress_of_planning(send) or send.state
    yield f"{send.newsletter}/{send.slug}: {state}{f' — {send.reason}' if send.reason else ''}"
    yield str(equation)
    yield from _open_ends(send, equation)
    yield from _from_receivers(send)


def progress_of_planning(send: Send) -> str:
    """Return "planning, 1,500,000 of ~10,000,000"; empty if the send is not being planned."""
    about = expected(send)
    return "" if about is None else f"{send.state}, {send.planned:,} of ~{about:,}"


def when(send: Send) -> str:
    """Say when a scheduled send starts, in its newsletter's time zone."""
    newsletter = settings.NEWSLETTERS.get(send.newsletter)
    assert send.due_at is not None
    return describe(send.due_at, newsletter.timezone if newsletter else "UTC", clock.now())


def goes_out(send: Send) -> str:
    """Say when a scheduled send starts and to how many, as a sentence that continues its name."""
    return f"goes out {when(send)}, to those subscribed then (now {_subscribers(audience_size(send.newsletter))})"


def _open_ends(send: Send, equation: Equation) -> Iterator[str]:
    slug = send.slug
    if send.state == Send.State.PAUSED:
        yield f"To resume: mailer resume {slug}. To cancel: mailer cancel {slug}."
    if send.state == Send.State.SCHEDULED:
        yield f"It {goes_out(send)}. To cancel: mailer cancel {slug}."
    if send.state == Send.State.PLANNING:
        yield _what_follows_planning(send)
    under_way = send.state in Send.UNDER_WAY
    if under_way and (idle := presence.idle_workers(clock.now())):
        yield idle
    elsewhere = why_not_from_here(send) if under_way or send.state == Send.State.SCHEDULED else ""
    if elsewhere:
        yield f"Cannot send from here: {elsewhere}."
    elif under_way:
        if trouble := held_up(send.account_id, clock.now()):
            yield f"Held up: {trouble}."
        yield f"It has not ended: run a worker, or the same command again; mailer status {slug} shows its progress."
    if equation.assumed:
        yield f"{equation.assumed} of the accepted count as sent on your responsibility (--assume-sent)."
    if equation.unknown:
        yield (
            f"{equation.unknown} subscribers: it is unknown whether the provider accepted their email. "
            f"mailer reconcile {slug} shows and settles the requests."
        )
        yield from _why_unknown(send)
    if twice := possibly_twice(send):
        yield (
            f"{twice} subscribers may have it twice: unknown requests were sent again, and the first ones may have "
            "arrived."
        )
    if equation.rejected:
        yield f"{equation.rejected} subscribers were rejected by the provider: mailer status {slug} --list rejected."


def _what_follows_planning(send: Send) -> str:
    if Planning.objects.filter(pk=send.pk, paused=True).exists():
        return (
            "No email has gone out. Workers finish the plan, then it is paused. "
            f"To send it after that: mailer resume {send.slug}. To cancel: mailer cancel {send.slug}."
        )
    return "No email has gone out yet. Workers finish the plan and then send it."


def _why_unknown(send: Send) -> Iterator[str]:
    """Say what the unknown requests of a send wait for."""
    unarrived = (
        "events show that nobody has it, and a worker sends it again"
        if send.on_unknown == Send.OnUnknown.RESEND
        else "events show that nobody has it; it can be sent again"
    )
    for doubt, subscribers in doubts_of(send).items():
        yield f"  {subscribers} of them: {doubt.label if doubt else unarrived}."


def _from_receivers(send: Send) -> Iterator[str]:
    for one in refusals_of(send.pk):
        yield f"{_subscribers(one.subscribers)} got nothing ({one.policy.key}): {one.policy.says}. To do: {one.fix}."
    for outage in outages_of(send.pk):
        yield (
            f"{_subscribers(outage.subscribers)} at {outage.domain} bounced as nonexistent, which looks like an outage "
            f"there: they are skipped until {clock.in_utc(outage.until)}, and suppressed only if they "
            "bounce again after that."
        )


def _subscribers(count: int) -> str:
    return f"{count:,} subscriber{'' if count == 1 else 's'}"
