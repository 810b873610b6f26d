"""Give a newsletter another label, with all that carries the former one.

A subscriber may have a subscription under both: they signed up under the new label before the rename, or under the
former one at a process that still had the old newsletter.toml. Then the one that was left is kept, else the confirmed
one.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef

from subscribers import clock, optouts, records, undoing, welcomes
from subscribers.models import (
    Consent,
    FormerId,
    Letter,
    Notice,
    RenamedNewsletter,
    Subscription,
    Suppression,
)

State = Subscription.State
# Which of two subscriptions is kept. Anybody can make a pending one by typing an address into the form.
KEPT = {State.UNSUBSCRIBED: 0, State.ACTIVE: 1, State.PENDING: 2}
CHUNK = 500  # subscribers locked at once


@dataclass(frozen=True)
class Carried:
    """What a newsletter took along to its new label."""

    subscriptions: int
    consents: int


def rename(old: str, new: str, list_id: str) -> Carried:
    """Give all that carries the label `old` the label `new`, in the caller's transaction.

    `list_id`: the newsletter's, which emails that still wait are sent in the name of.
    """
    _keep_one_each(old, new)
    subscriptions = Subscription.objects.filter(newsletter=old)
    waiting = subscriptions.exclude(list_id="")
    waiting.update(list_id=list_id)
    carried = Carried(
        subscriptions=subscriptions.update(newsletter=new),
        consents=Consent.objects.filter(newsletter=old).update(newsletter=new),
    )
    FormerId.objects.filter(newsletter=old).update(newsletter=new)
    welcomes.rename(old, new)
    for kind in (Letter, Notice):
        kind.objects.filter(newsletter=old).exclude(list_id="").update(list_id=list_id)
        kind.objects.filter(newsletter=old).update(newsletter=new)
    _rename_in_lists(Letter.objects.exclude(newsletters=None), "newsletters", old, new)
    _rename_in_lists(Suppression.objects.exclude(newsletters_left=None), "newsletters_left", old, new)
    _remember(old, new)
    optouts.note_rename(old, new, clock.now())
    return carried


def _keep_one_each(old: str, new: str) -> None:
    """Delete the rows under one of the labels that there may be only one of: of two subscriptions, the last of KEPT."""
    there = Subscription.objects.filter(newsletter=new, subscriber=OuterRef("subscriber"))
    both = Subscription.objects.filter(Exists(there), newsletter=old).order_by("subscriber")
    subscribers = list(both.values_list("subscriber", flat=True))
    for begin in range(0, len(subscribers), CHUNK):
        locked = records.find_all(subscribers[begin : begin + CHUNK])
        _merge([one for one in locked if one.newsletter in (old, new)])
    FormerId.objects.filter(newsletter=old, public_id__in=_of(FormerId, new).values("public_id")).delete()
    newer = _of(Consent, new).filter(subscriber=OuterRef("subscriber"), about=OuterRef("about"))
    _of(Consent, old).exclude(about="").filter(Exists(newer)).delete()


def _of(kind: type[FormerId] | type[Consent], label: str) -> models.QuerySet[Any]:
    return kind._default_manager.filter(newsletter=label)


def _merge(locked: list[Subscription]) -> None:
    of_one: defaultdict[int, list[Subscription]] = defaultdict(list)
    for one in sorted(locked, key=lambda one: KEPT[State(one.state)]):
        of_one[one.subscriber_id].append(one)
    undoing.end(kept for kept, *_ in of_one.values())
    # The history of both stays, so what they agreed to and left can be read.
    Subscription.objects.filter(pk__in=[one.pk for _, *more in of_one.values() for one in more]).delete()


def _rename_in_lists(rows: models.QuerySet[Any], column: str, old: str, new: str) -> None:
    for row in rows.iterator(1000):
        labels = getattr(row, column)
        if old in labels:
            renamed = dict.fromkeys(new if label == old else label for label in labels)
            rows.filter(pk=row.pk).update(**{column: list(renamed)})


def _remember(old: str, new: str) -> None:
    RenamedNewsletter.objects.filter(label=new).delete()  # renamed back
    RenamedNewsletter.objects.filter(now=old).update(now=new)
    RenamedNewsletter.objects.update_or_create(label=old, defaults={"now": new, "at": clock.now()})
