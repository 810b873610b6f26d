"""The welcome in the ledger: freeze its versions, renew them, and plan batches for those who confirmed.

A version is a send of its own kind. It is `finished` whenever nobody waits for it, and `sending` again once a batch is
planned, so that claim, settling and reconciling are those of issues. Nobody is planned twice: the row that says that a
welcome is due (`subscribers.welcomes`) is deleted in the transaction that writes the delivery.

Rows are locked in one order: the welcome, its send, what is due. The subscribers' rows are skipped if somebody holds
them: who erases a subscriber waits for a delivery that is being written, never the other way round.
"""

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max

from mailer.config.newsletter import Newsletter
from mailer.content.filling import Listed, fill
from mailer.models import REHEARSAL, Batch, Delivery, Send, Welcome
from mailer.sending import lifecycle, planning, send_lock
from mailer.sending.planning import Plan
from mailer.store import accounts, clock, schema
from mailer.store.media import keep_images
from subscribers import languages
from subscribers.models import WelcomeDue

log = logging.getLogger(__name__)

# Planned into, when somebody is due: not while it is paused, and never again once it is cancelled.
OPEN = (Send.State.SENDING, Send.State.FINISHED)
# What a version takes over from the one before, when only the issues that it lists change.
KEPT = (
    *("kind", "newsletter", "provider", "account_id", "list_id", "subject", "from_email", "from_name", "reply_to"),
    *("headers", "base_url", "placeholders", "language", "day", "number", "source_sha256", "on_unknown"),
)
# For PostgreSQL, where two workers plan at once; see the module.
_LOCK = "FOR KEY SHARE OF subscribers_subscriber SKIP LOCKED FOR UPDATE OF subscribers_welcomedue SKIP LOCKED"


@dataclass(frozen=True)
class Content:
    """A welcome in one language, checked and rendered."""

    plan: Plan
    patterns: Sequence[Mapping[str, str]]  # see mailer.content.filling
    mark: str
    file: str
    file_sha256: str

    @property
    def language(self) -> str:
        return self.plan.issue.language

    @property
    def lists(self) -> int:
        """Return how many issues it lists at most."""
        return len(self.patterns) - 1


@dataclass(frozen=True)
class Version:
    """What `freeze` left as the version of a language."""

    send: Send
    is_new: bool


def current(newsletter: str, *, rehearsal: bool) -> dict[str, Welcome]:
    """Return the welcome that is on, by language."""
    found = Welcome.objects.select_related("send").filter(newsletter=newsletter, rehearsal=rehearsal)
    return {welcome.language: welcome for welcome in found.order_by("pk")}


def freeze(newsletter: Newsletter, contents: Sequence[Content], issues: Sequence[Listed]) -> list[Version]:
    """Make these the newsletter's welcome, a new version of each that changed, and end other languages.

    Who confirmed before there was one gets none. Raises IntegrityError if somebody else does it at the same time.
    """
    rehearsal = settings.PROVIDER == REHEARSAL
    with transaction.atomic():
        for content in contents:
            keep_images(content.plan.issue.images)
        before = {one.language: one for one in _locked(newsletter.label, rehearsal)}
        former_versions = {one.send_id for one in before.values()}
        if not before and not (rehearsal and Welcome.objects.filter(newsletter=newsletter.label).exists()):
            WelcomeDue.objects.filter(newsletter=newsletter.label).delete()
        versions = [_freeze(content, before.pop(content.language, None), issues) for content in contents]
        for former in before.values():
            former.delete()
        _end(former_versions - {version.send.pk for version in versions})
    return versions


def is_frozen(content: Content, former: Welcome | None) -> bool:
    """Tell whether this is the version in use. A cancelled one is always replaced."""
    if former is None or former.send.state == Send.State.CANCELLED:
        return False
    send = _unsaved(content)
    alike = all(getattr(former.send, name) == getattr(send, name) for name in KEPT)
    return alike and former.patterns == list(content.patterns) and former.file_sha256 == content.file_sha256


def turn_off(newsletter: str, *, rehearsal: bool) -> int:
    """End the welcome, and return how many subscribers waited for it. Batches that are planned still go out."""
    with transaction.atomic():
        welcomes = _locked(newsletter, rehearsal)
        for welcome in welcomes:
            welcome.delete()
        _end({welcome.send_id for welcome in welcomes})
        if Welcome.objects.filter(newsletter=newsletter).exists():
            return 0
        waiting, _ = WelcomeDue.objects.filter(newsletter=newsletter).delete()
    log.info("welcome ended", extra={"newsletter": newsletter, "waiting": waiting})
    return waiting


def on_here() -> list[Welcome]:
    """Return the welcomes that a worker of this process sends.

    A rehearsal beside a real one would swallow what subscribers wait for.
    """
    if not (schema.may_claim() and accounts.may_mail()):
        return []
    # Not what it says: this is asked by each sweep.
    needed = ("newsletter", "language", "send__state")
    ours = Welcome.objects.filter(send__in=accounts.own_sends()).select_related("send").only(*needed)
    if settings.PROVIDER == REHEARSAL:
        ours = ours.exclude(newsletter__in=Welcome.objects.filter(rehearsal=False).values("newsletter"))
    return list(ours.order_by("pk"))


def waiting_languages(newsletter: Newsletter, welcomes: Collection[Welcome]) -> dict[int, list[str]]:
    """Return, by welcome, the languages of the subscribers who are to get it now."""
    by_language = {one.language: one for one in welcomes if one.newsletter == newsletter.label}
    found: dict[int, list[str]] = {}
    if not any(one.send.state in OPEN for one in by_language.values()):
        return found
    due = WelcomeDue.objects.filter(newsletter=newsletter.label).order_by()
    for language in due.values_list("subscriber__language", flat=True).distinct():
        welcome = choose(language, newsletter.language, by_language) if language is not None else None
        if language is not None and welcome and welcome.send.state in OPEN:
            found.setdefault(welcome.pk, []).append(language)
    return found


def choose(language: str, otherwise: str, welcomes: Mapping[str, Welcome]) -> Welcome | None:
    """Return the welcome for a subscriber with this language: in it, as confirmations choose it, or in `otherwise`."""
    tag = language.lower().replace("_", "-")
    near = languages.chosen(tag, otherwise) if languages.is_ours(tag) else ""
    return next((welcomes[one] for one in (tag, near, tag.split("-")[0], otherwise) if one in welcomes), None)


def plan_due(welcome_id: int, spoken: Sequence[str], issues: Sequence[Listed]) -> int:
    """Plan a batch of this welcome for those who wait and speak one of these languages. Return how many they are.

    `issues`, newest first, are those that it may list. None are planned while a batch waits: they fill the next one.
    """
    with transaction.atomic():
        welcome = Welcome.objects.select_for_update().filter(pk=welcome_id).first()
        if welcome is None or welcome.send.state not in OPEN:
            return 0
        _renew(welcome, issues)
        with send_lock.alone(welcome.send_id):
            goes_on = Send.objects.filter(pk=welcome.send_id, state__in=OPEN).exists()
            waits = Batch.objects.filter(send=welcome.send_id, state=Batch.State.PLANNED).exists()
            return _plan(welcome.send_id, welcome.newsletter, spoken) if goes_on and not waits else 0


def _plan(send: int, newsletter: str, spoken: Sequence[str]) -> int:
    due = _take_due(newsletter, spoken, planning.largest_batch())
    # They got this very version before, and came back after a month in which no issue was sent.
    have = set(Delivery.objects.filter(send=send, subscriber__in=due.values()).values_list("subscriber", flat=True))
    members = [subscriber for subscriber in due.values() if subscriber not in have]
    if members:
        last = Batch.objects.filter(send=send).aggregate(last=Max("number"))["last"]
        number = 0 if last is None else last + 1
        batch = Batch.objects.create(send_id=send, number=number, size=len(members), not_before=clock.now())
        Delivery.objects.bulk_create(Delivery(send_id=send, batch=batch, subscriber_id=one) for one in members)
        planned = {"planned": F("planned") + len(members), "state": Send.State.SENDING, "finished_at": None}
        Send.objects.filter(pk=send).update(**planned)
    WelcomeDue.objects.filter(pk__in=list(due)).delete()
    return len(members)


def _take_due(newsletter: str, spoken: Sequence[str], most: int) -> dict[int, int]:
    """Return those who waited longest, locked: row → subscriber."""
    waiting = WelcomeDue.objects.filter(newsletter=newsletter, subscriber__language__in=spoken)
    rows = waiting.order_by("at", "pk").values_list("pk", "subscriber")[:most]
    sql, parameters = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} {_LOCK if connection.vendor == 'postgresql' else ''}", parameters)
        return dict(cursor.fetchall())


def _locked(newsletter: str, rehearsal: bool) -> list[Welcome]:
    # Without a join: PostgreSQL would leave out a row that got another send while this waited for it.
    found = Welcome.objects.select_for_update().filter(newsletter=newsletter, rehearsal=rehearsal)
    return list(found.order_by("pk"))


def _end(versions: Collection[int]) -> None:
    for version in sorted(versions):
        lifecycle.end_former(version)


def _freeze(content: Content, former: Welcome | None, issues: Sequence[Listed]) -> Version:
    if former and is_frozen(content, former):
        return Version(former.send, is_new=False)
    send = _unsaved(content)
    shown = issues[: content.lists]
    _save_version(send, fill(content.patterns, content.mark, shown))
    values = {"send": send, "patterns": list(content.patterns), "mark": content.mark, "listed": _as_json(shown)}
    values |= {"file": content.file, "file_sha256": content.file_sha256, "frozen_at": clock.now()}
    Welcome.objects.update_or_create(
        newsletter=send.newsletter, language=content.language, rehearsal=send.is_rehearsal, defaults=values
    )
    log.info("welcome frozen", extra={"send": send.pk, "issue": send.slug})
    return Version(send, is_new=True)


def _unsaved(content: Content) -> Send:
    send = planning.frozen(content.plan)
    send.kind, send.max_per_hour = Send.Kind.WELCOME, None
    return send


def _renew(welcome: Welcome, issues: Sequence[Listed]) -> None:
    """Make a new version if the issues that the welcome lists are others now. What is planned keeps its own."""
    shown = issues[: len(welcome.patterns) - 1]
    if welcome.listed == _as_json(shown):
        return
    send = Send(**{name: getattr(welcome.send, name) for name in KEPT})
    _save_version(send, fill(welcome.patterns, welcome.mark, shown))
    welcome.send, welcome.listed = send, _as_json(shown)
    welcome.save(update_fields=["send", "listed"])
    log.info("welcome renewed", extra={"send": send.pk, "issue": send.slug})


def _save_version(send: Send, content: Mapping[str, str]) -> None:
    for part, text in content.items():
        setattr(send, part, text)
    send.content_sha256 = hashlib.sha256("\0".join((send.subject, send.html, send.text)).encode()).hexdigest()
    send.slug = f"welcome:{send.language}:{_next_number(send.newsletter)}"
    send.state, send.finished_at = Send.State.FINISHED, clock.now()  # as long as nobody waits for it
    send.created_at = clock.now()
    send.save()


def _next_number(newsletter: str) -> int:
    versions = Send.objects.filter(newsletter=newsletter, kind=Send.Kind.WELCOME)
    numbers = [int(slug.rpartition(":")[2]) for slug in versions.values_list("slug", flat=True)]
    return max(numbers, default=0) + 1


def _as_json(issues: Sequence[Listed]) -> list[Any]:
    return [list(issue) for issue in issues]
