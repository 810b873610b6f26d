"""Add new link keys, and retire old ones.

A new key is stored at once and signs only after some minutes, so that every process knows it when the first link that
carries its signature is opened. Older keys go on verifying: the links in earlier emails must work. Only retiring a key
ends them, which is for a key that leaked. The key of suppression hashes has a place of its own and never changes: a new
one would recognise nobody who must not be mailed.

0.2.0, which may run beside this version during an upgrade, reads all keys from `Installation.link_keys`, and takes the
first of them for that of the hashes. So it stays there, also retired.
"""

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from mailer.models import REHEARSAL, Attempt, Delivery, Installation, LinkKey
from mailer.store import clock
from mailer.store.installation import row_of

log = logging.getLogger(__name__)

KNOWN_WITHIN = timedelta(minutes=1)  # of a change here each process that sends has read the keys again


class State(StrEnum):
    SIGNS = "signs"
    VERIFIES = "verifies"
    WAITS = "waits"
    RETIRED = "retired"


@dataclass(frozen=True)
class Listed:
    number: int
    state: State
    created_at: datetime
    signs_from: datetime
    retired_at: datetime | None


@dataclass(frozen=True)
class Signed:
    """Emails whose links a key has signed, as far as this database knows: by the time of each request, to a minute."""

    mails: int
    subscribers: int
    without_newer: int  # of them: those who got no email with the signature of a newer key


class Refused(ValueError):
    """The keys stay as they are; the message says why, and what to do."""


class NoSuchKey(Refused):
    """No key has this number."""


def listed() -> list[Listed]:
    """Return all keys, oldest first, the retired ones too."""
    return _listed(list(LinkKey.objects.order_by("pk")), clock.now())


def rotate() -> Listed:
    """Store a new key, which will sign. Raises Refused while another one waits."""
    with transaction.atomic():
        installation, rows, now = _locked()
        for one in _listed(rows, now):
            if one.state is State.WAITS:
                raise Refused(f"key {one.number} was just created, and signs from {one.signs_from:%H:%M:%S} UTC on")
        row = row_of(secrets.token_bytes(32), now)
        row.save()
        _tell_the_version_before(installation, [*rows, row])
    log.info("new link key", extra={"key": row.pk})
    return _listed([*rows, row], now)[-1]


def require_retirable(number: int) -> Listed:
    """Return the key if it may be retired now, or is already. Raises NoSuchKey, Refused."""
    keys, now = listed(), clock.now()
    return _retirable(number, keys, now)


def retire(number: int) -> Listed:
    """Forget a key: no link that it signed opens any longer. Raises NoSuchKey, Refused."""
    with transaction.atomic():
        installation, rows, now = _locked()
        key = _retirable(number, _listed(rows, now), now)
        if key.state is State.RETIRED:
            return key
        LinkKey.objects.filter(pk=number).update(key=None, retired_at=now)
        _tell_the_version_before(installation, [row for row in rows if row.pk != number])
    log.info("link key retired", extra={"key": number})
    return next(one for one in listed() if one.number == number)


def signed_by(number: int) -> Signed:
    """Count the emails of issues. Rehearsals mail nobody, and the links of other emails expire by themselves."""
    begins, ends = _signing_time(number)
    mine = Q(started_at__gte=begins) if begins else Q()
    mails = _mails(mine & (Q(started_at__lt=ends) if ends else Q()))
    counted = mails.aggregate(mails=Count("pk"), subscribers=Count("subscriber", distinct=True))
    later = _mails(Q(started_at__gte=ends)) if ends else Delivery.objects.none()
    newer = Exists(later.filter(subscriber=OuterRef("subscriber")))
    alone = mails.exclude(newer).aggregate(subscribers=Count("subscriber", distinct=True))
    return Signed(**counted, without_newer=alone["subscribers"])


def _mails(attempted: Q) -> QuerySet[Delivery]:
    """Return deliveries of the requests that went out, or may have."""
    out = (Attempt.State.ACCEPTED, Attempt.State.UNKNOWN, Attempt.State.OPEN)
    requests = Attempt.objects.filter(attempted, state__in=out)
    return Delivery.objects.filter(outcome=None, batch__in=requests.values("batch")).exclude(send__provider=REHEARSAL)


def _signing_time(number: int) -> tuple[datetime | None, datetime | None]:
    """Return from when and until when a key signs; None for one that was the first, and for one that goes on."""
    signing = [one for one in listed() if one.retired_at is None or one.retired_at > one.signs_from]
    before = [one for one in signing if one.number < number]
    after = [one for one in signing if one.number > number and one.state is not State.WAITS]
    mine = next((one.signs_from for one in signing if one.number == number), None)
    if mine is None:  # retired before it signed
        return clock.now(), clock.now()
    return mine if before else None, after[0].signs_from + KNOWN_WITHIN if after else None


def _locked() -> tuple[Installation, list[LinkKey], datetime]:
    installation = Installation.objects.select_for_update().get(pk=1)
    return installation, list(LinkKey.objects.order_by("pk")), clock.now()


def _listed(rows: list[LinkKey], now: datetime) -> list[Listed]:
    alive = [row for row in rows if row.key]
    due = [row for row in alive if row.signs_from <= now]
    signs = due[-1] if due else alive[0]

    def state(row: LinkKey) -> State:
        if row.key is None:
            return State.RETIRED
        if row.pk == signs.pk:
            return State.SIGNS
        return State.VERIFIES if row.signs_from <= now else State.WAITS

    return [Listed(row.pk, state(row), row.created_at, row.signs_from, row.retired_at) for row in rows]


def _retirable(number: int, keys: list[Listed], now: datetime) -> Listed:
    key = next((one for one in keys if one.number == number), None)
    if key is None:
        raise NoSuchKey(f"there is no key {number}; `mailer keys` lists all keys")
    signs = next(one for one in keys if one.state is State.SIGNS)
    if key is signs:
        raise Refused(f"key {number} is the signing key; `mailer keys rotate` creates a new one, which must sign first")
    if key.state is State.WAITS and key.signs_from - now < KNOWN_WITHIN:
        raise Refused(f"key {number} is about to sign; retire it once another key signs")
    if key.state is State.VERIFIES and now - signs.signs_from < KNOWN_WITHIN:
        raise Refused(
            f"key {signs.number} began to sign a moment ago; try again in a minute, when every process uses it"
        )
    return key


def _tell_the_version_before(installation: Installation, rows: list[LinkKey]) -> None:
    first = installation.suppression_key
    installation.link_keys = [first, *(row.key for row in rows if row.key and row.key != first)]
    installation.save(update_fields=["link_keys"])
