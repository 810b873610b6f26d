"""Send an issue: look at what would be done now, see whether it may be, and do it.

`propose` writes nothing; `get_ready` raises why it may not be done; `start` takes what came back ready, so that nobody
starts what was not looked at. What a person must be asked in between is in the proposal.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError

from mailer.archive import removing
from mailer.archive.aliases import slug_behind
from mailer.broker import why_no_broker
from mailer.checks.proofs import Proof
from mailer.config.times import InvalidTime, describe, read_time
from mailer.content.dates import in_words
from mailer.models import REHEARSAL, ArchivedIssue, Send
from mailer.providers.current import configured_provider
from mailer.providers.protocol import Unseen
from mailer.publishing import cards
from mailer.publishing.audiences import sent_before, waiting_to_confirm
from mailer.publishing.dates import why_too_old
from mailer.publishing.errors import (
    ConfirmOldDate,
    ConfirmRepeat,
    CorrectIssue,
    CorrectRequest,
    CorrectSettings,
    Refused,
    RunAgain,
    TryLater,
)
from mailer.publishing.labels import require_not_renamed
from mailer.publishing.reachability import why_unreachable
from mailer.publishing.sends import require_own
from mailer.sending import hints
from mailer.sending.evidence import is_heard
from mailer.sending.existing import Action, discard_unsent, existing_send, same_source_elsewhere, what_to_do
from mailer.sending.lifecycle import WrongState
from mailer.sending.planning import NobodyToSend, Plan, audience_size, plan_send, schedule_send, why_refused
from mailer.sending.steering import resume
from mailer.store import accounts, clock, presence

NEW = (Action.PLAN, Action.REPLACE)


@dataclass(frozen=True)
class Order:
    """How an issue is to be sent."""

    due_at: datetime | None = None  # or at once
    on_unknown: str = Send.OnUnknown.HOLD
    detached: bool = False  # nobody stays to watch: workers must be there, and its end is told by email


@dataclass(frozen=True)
class Proposal:
    """What `start` would do with an issue, as things are now."""

    plan: Plan
    order: Order
    file: str
    action: Action
    existing: Send | None  # the send of this slug that was planned before
    sent_as: str  # the slug under which the same source was sent before; else empty
    audience: int
    account: str
    last_sent: Send | None = None  # the newsletter's last real send of another issue
    too_old: str = ""  # why nobody may expect an issue of its date now
    archived: bool = False  # an issue of this slug was imported: subscribers may have read it elsewhere
    leads_to: str = ""  # the imported issue that has this slug as a former address

    @property
    def slug(self) -> str:
        return self.plan.issue.slug

    @property
    def is_rehearsal(self) -> bool:
        return self.plan.provider == REHEARSAL

    @property
    def makes_a_plan(self) -> bool:
        return self.action in NEW

    @property
    def repeats(self) -> str:
        """Return what a person must confirm before the same source goes to everybody again; "" if nothing."""
        return f"{self.file} was already sent as {self.sent_as}; was the file renamed?" if self.sent_as else ""

    @property
    def old_date(self) -> str:
        """Return what a person must confirm before an issue of long ago goes out; "" if nothing."""
        day = self.plan.issue.day
        return f"{self.file} is dated {in_words(day)}, {self.too_old}." if day and self.too_old else ""

    @property
    def when(self) -> str:
        """Return when it goes out, in its newsletter's time zone; "" for at once."""
        due_at = self.order.due_at
        return describe(due_at, self.plan.newsletter.timezone, clock.now()) if due_at else ""


@dataclass(frozen=True)
class Ready:
    """A proposal that may be started. Only `get_ready` makes one."""

    proposal: Proposal


def read_order(proof: Proof, at: str | None, on_unknown: str, *, detached: bool) -> Order:
    """Read how the issue is to be sent; `at` as a person writes it. Raises CorrectRequest."""
    due_at = _due(at, proof.newsletter.timezone) if at else None
    if on_unknown not in Send.OnUnknown.values:
        raise CorrectRequest(f"On unknown outcomes: {' or '.join(Send.OnUnknown.values)}, not {on_unknown!r}.")
    if on_unknown == Send.OnUnknown.RESEND and not is_heard():
        raise CorrectRequest(
            f"--on-unknown resend needs the event webhook: without {configured_provider().names.events} there is "
            "no evidence that an email did not go out."
        )
    return Order(due_at, on_unknown, detached)


def propose(proof: Proof, order: Order) -> Proposal:
    """Return what would be done with the issue now. Nothing is written. Raises CorrectRequest for a welcome."""
    if proof.issue.welcome:
        raise CorrectRequest(
            f"{proof.issue.path} is the welcome of {proof.newsletter.name}, not an issue; `mailer send welcome` sends "
            "it to those who confirm. An issue needs another file name, or a folder of its own."
        )
    issue, label = proof.rendered, proof.newsletter.label
    unwatched = order.detached or order.due_at is not None
    plan = Plan(proof.newsletter, issue, settings.PROVIDER, settings.BASE_URL, order.on_unknown, unwatched)
    existing = existing_send(label, issue.slug, plan.provider)
    action = _action(existing, issue.source_sha256, order)
    before = sent_before(label, issue.slug)
    behind = slug_behind(label, issue.slug)
    return Proposal(
        plan=plan,
        order=order,
        file=str(proof.issue.path),
        action=action,
        existing=existing,
        sent_as="" if existing else _sent_as(plan),
        audience=audience_size(label),
        account=accounts.name_here(),
        last_sent=before.first(),
        too_old=_too_old(plan, before.exclude(day=None).first()) if action in NEW else "",
        archived=ArchivedIssue.objects.filter(newsletter=label, slug=issue.slug).exists(),
        leads_to=behind if behind and behind != issue.slug else "",
    )


def require_possible(proposal: Proposal, *, old_date: bool = False, archived: bool = False) -> None:
    """Raise what `get_ready` and `start` would, as far as it is known without a request."""
    require_not_archived(proposal, archived)
    _require_same_provider(proposal)
    _require_own_label(proposal)
    if proposal.sent_as:
        raise ConfirmRepeat(proposal.repeats)
    if proposal.old_date and not old_date:
        raise ConfirmOldDate(proposal.old_date)
    if proposal.makes_a_plan:
        _require_acceptable(proposal)
        if not proposal.audience and not proposal.order.due_at:  # who gets a later one is chosen when it is due
            raise _nobody(proposal)
    _require_same_source(proposal)


def get_ready(
    proposal: Proposal,
    *,
    repeat: bool = False,
    old_date: bool = False,
    archived: bool = False,
    broker_away: Callable[[str], None] = lambda why: None,
) -> Ready:
    """Return the proposal as one that may be started, after a look at provider, workers and public address.

    `repeat`: a person confirmed that a source sent as `sent_as` goes to everybody again; `old_date`: that an issue of
    long ago is the one that is meant; `archived`: that one that was imported is to be mailed. `broker_away` is told
    why hints are lost, if workers find the send all the same. Raises Refused.
    """
    require_not_archived(proposal, archived)
    if proposal.sent_as and not repeat:
        raise ConfirmRepeat(proposal.repeats)
    if proposal.old_date and not old_date:
        raise ConfirmOldDate(proposal.old_date)
    _require_same_provider(proposal)
    _require_own_label(proposal)
    if proposal.makes_a_plan:
        _require_acceptable(proposal)
        _require_workers(proposal.order, broker_away)
        require_reachable()
    elif proposal.existing and proposal.action in (Action.ATTACH, Action.RESUME):
        require_own(proposal.existing)
    _require_same_source(proposal)
    return Ready(proposal)


def start(ready: Ready) -> Send:
    """Plan the issue, or go on with the send that exists; return one that is over or held unchanged.

    Raises Refused: nobody may be mailed, or somebody else was faster.
    """
    proposal = ready.proposal
    existing = proposal.existing
    if proposal.makes_a_plan or existing is None:
        return _plan(proposal)
    if proposal.action is Action.ATTACH and not proposal.order.detached:
        hints.enqueue(existing.pk, hints.MOST)  # the hints of a worker that died in its own memory died with it
    if proposal.action is Action.RESUME:
        try:
            resume(existing.pk)
        except WrongState:
            raise _changed_meanwhile(proposal) from None
    return existing


def credits_short(proposal: Proposal) -> int | None:
    """Return how many emails the provider's plan has left if they are too few; None if they suffice.

    Also None if the provider does not say: many a key may not read it, and a send pauses when they are used up.
    """
    account = None if proposal.is_rehearsal else configured_provider().account
    with suppress(Unseen):
        left = account.credits_left() if account else None
        return left if left is not None and left < proposal.audience else None
    return None


def _due(text: str, zone: str) -> datetime:
    try:
        return read_time(text, zone, clock.now())
    except InvalidTime as error:
        raise CorrectRequest(f"--at: {error}") from None


def _action(existing: Send | None, source_sha256: str, order: Order) -> Action:
    action = what_to_do(existing, source_sha256)
    if existing and action is Action.SHOW and existing.state == Send.State.SCHEDULED:
        # Another time is another plan; the same order again waits on, for its process may have died.
        return Action.REPLACE if order.due_at else Action.ATTACH
    return action


def _too_old(plan: Plan, last: Send | None) -> str:
    if plan.provider == REHEARSAL:
        return ""
    today = clock.now().astimezone(ZoneInfo(plan.newsletter.timezone)).date()
    return why_too_old(plan.issue.day, today, last)


def _sent_as(plan: Plan) -> str:
    if plan.provider == REHEARSAL:
        return ""
    other = same_source_elsewhere(plan.newsletter.label, plan.issue.slug, plan.issue.source_sha256)
    return other.slug if other else ""


def require_not_archived(proposal: Proposal, allowed: bool) -> None:
    """Raise Refused for an issue that was imported, unless that is allowed: subscribers may have it from elsewhere.

    Also for one whose page would hide an imported issue behind its former address.
    """
    if proposal.leads_to and proposal.makes_a_plan:
        raise Refused(
            f"{proposal.file}: {proposal.slug} is a former address of the imported issue {proposal.leads_to}, and "
            'links lead there. Nothing was sent; write another "slug: …" at its top, or remove the address from the '
            "aliases of that issue and import it again."
        )
    if proposal.archived and proposal.makes_a_plan and not allowed:
        raise Refused(
            f"{proposal.slug} was imported into the archive, so subscribers may have got it from elsewhere. Nothing "
            "was sent; add --mail-archived to email it to everybody."
        )


def _require_same_provider(proposal: Proposal) -> None:
    existing, here = proposal.existing, proposal.plan.provider
    if existing and existing.provider != here:
        raise Refused(
            f"{proposal.slug} was planned for {existing.provider}, but {configured_provider().names.url} is {here} "
            "here; use one provider for the whole send."
        )


def _require_own_label(proposal: Proposal) -> None:
    """Refuse to send as a new newsletter what has subscribers and sends under another label."""
    if proposal.makes_a_plan and not proposal.is_rehearsal:
        require_not_renamed(proposal.plan.newsletter, proposal.plan.issue.source_sha256)


def _require_acceptable(proposal: Proposal) -> None:
    try:
        accounts.refuse_unknown_key()
    except accounts.UnknownKey as error:
        raise CorrectSettings(str(error)) from None
    if why := why_refused(proposal.plan):
        raise CorrectIssue(f"{proposal.file}: the provider would not accept this issue: {why}")


def _require_workers(order: Order, broker_away: Callable[[str], None]) -> None:
    somebody_sends = settings.EMBEDDED or presence.worker_swept_lately()
    if why := why_no_broker():
        if not somebody_sends:
            raise TryLater(f"{why}, and no worker has checked in for a minute. Nothing was sent.")
        broker_away(why)
    if order.detached and not presence.worker_swept_lately():
        if idle := presence.idle_workers(clock.now()):
            raise TryLater(f"nothing would be sent. {idle}")
        raise TryLater(
            "no worker that may send has checked in for a minute, so nothing would be sent; start one with "
            "`mailer worker`. If one is running, its log and `mailer doctor` on that machine say what it is "
            "waiting for."
        )


def require_reachable() -> None:
    """Raise TryLater if subscribers could not unsubscribe, because BASE_URL is not this installation."""
    if settings.PROVIDER_IS_LOCAL:
        return
    if why := why_unreachable(settings.BASE_URL):
        raise TryLater(f"subscribers could not unsubscribe: {why}")


def _require_same_source(proposal: Proposal) -> None:
    existing, slug = proposal.existing, proposal.slug
    if existing is None or proposal.action is not Action.REFUSE:
        return
    if existing.state in Send.UNDER_WAY:
        ways = f"`mailer cancel {slug}` cancels it for those still waiting"
    elif existing.state == Send.State.PAUSED:
        ways = f"`mailer resume {slug}` resumes with the content that was planned, `mailer cancel` ends it"
    else:
        ways = "send a correction as a new issue, under another file name"
    raise Refused(
        f"{proposal.file} differs from what was planned as {slug}, which is {existing.state}; subscribers may "
        f"already have it, so it is not sent again: {ways}."
    )


def _plan(proposal: Proposal) -> Send:
    plan, existing, due_at = proposal.plan, proposal.existing, proposal.order.due_at
    if existing is not None and not discard_unsent(existing):
        raise _changed_meanwhile(proposal)
    _draw(proposal)
    try:
        send = schedule_send(plan, due_at) if due_at else plan_send(plan)
        if not proposal.is_rehearsal:
            removing.put_back(plan.newsletter.label, proposal.slug)  # its email links to the page
        return send
    except accounts.UnknownKey as error:
        raise CorrectSettings(str(error)) from None
    except NobodyToSend:
        raise _nobody(proposal) from None
    except IntegrityError:
        # Another editor was faster with the same issue: one send, and both see it.
        now = existing_send(plan.newsletter.label, proposal.slug, plan.provider)
        if now is None or now.source_sha256 != plan.issue.source_sha256:
            raise RunAgain(
                f"{proposal.slug} was planned by another command in the meantime; run the command again."
            ) from None
        return now


def _draw(proposal: Proposal) -> None:
    """Draw what other sites and browsers show; a rehearsal's issue has no page."""
    newsletter, issue = proposal.plan.newsletter, proposal.plan.issue
    cards.keep_look(newsletter)
    if not proposal.is_rehearsal and not cards.keep_card(newsletter, issue.slug, issue.subject, issue.language):
        cards.forget_card(newsletter, issue.slug)


def _changed_meanwhile(proposal: Proposal) -> RunAgain:
    return RunAgain(f"{proposal.slug} changed state in the meantime; run the command again.")


def _nobody(proposal: Proposal) -> Refused:
    label = proposal.plan.newsletter.label
    number = waiting_to_confirm(label)
    pending = f" {number:,} {'is' if number == 1 else 'are'} pending: they have not confirmed yet." if number else ""
    return Refused(
        f"{label} has no confirmed subscriber who may be emailed.{pending} Nothing was sent. `mailer subscribers list` "
        'shows them all; `mailer subscribers add ADDRESS --active --source "…"` adds somebody who agreed elsewhere, '
        "`mailer subscribers import FILE` many."
    )
