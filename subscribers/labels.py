"""Labels of newsletters: which there are, what they are called now, and how one is renamed with all that carries it.

A label is signed into every link that was ever mailed, and stands in journals and logs outside the database. None of
these can be rewritten, so the former label is kept, and read as the one of today.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, models

from subscribers import clock
from subscribers.models import (
    Consent,
    FormerId,
    Letter,
    Notice,
    RenamedNewsletter,
    Subscription,
    Suppression,
)


@dataclass(frozen=True)
class Carried:
    """What a newsletter took along to its new label."""

    subscriptions: int
    consents: int


def current(label: str) -> str:
    """Return what this newsletter is called now. Without the database, what it is called in the link at hand.

    A configured label is never asked about, so pages of newsletters that were not renamed cost nothing more. It may be
    a former one where newsletter.toml is the old one; so what reads or ends a subscription looks again, by `today`.
    """
    if label in settings.NEWSLETTERS:
        return label
    try:
        return renamed().get(label, label)
    except (DatabaseError, InterfaceError):
        return label


def renamed() -> dict[str, str]:
    """Return the label of today by each former one."""
    return dict(RenamedNewsletter.objects.values_list("label", "now"))


def as_of_now(label: str, names: Mapping[str, str]) -> str:
    """Return the label of today, given those that were renamed; a process may still have the old newsletter.toml."""
    return names.get(label, label)


def today(label: str) -> str:
    """Return the label of today. For writers: call it after the lock, for a rename may commit while they wait."""
    return as_of_now(label, renamed())


def held() -> list[str]:
    """Return the labels that have subscriptions; each by one look into the index, for there may be a million rows."""
    return list(distinct(Subscription.objects.all()))


def distinct(rows: models.QuerySet[Any]) -> Iterator[str]:
    """Yield each label of these rows once, in order."""
    last: str | None = rows.order_by("newsletter").values_list("newsletter", flat=True).first()
    while last is not None:
        yield last
        beyond = rows.filter(newsletter__gt=last).order_by("newsletter")
        last = beyond.values_list("newsletter", flat=True).first()


def rename(old: str, new: str, list_id: str) -> Carried:
    """Give all that carries the label `old` the label `new`, in the caller's transaction. `new` has no subscriptions.

    `list_id`: the newsletter's, which emails that still wait are sent in the name of.
    """
    subscriptions = Subscription.objects.filter(newsletter=old)
    waiting = subscriptions.exclude(list_id="")
    waiting.update(list_id=list_id)
    carried = Carried(
        subscriptions=subscriptions.update(newsletter=new),
        consents=Consent.objects.filter(newsletter=old).update(newsletter=new),
    )
    FormerId.objects.filter(newsletter=old).update(newsletter=new)
    for kind in (Letter, Notice):
        kind.objects.filter(newsletter=old).exclude(list_id="").update(list_id=list_id)
        kind.objects.filter(newsletter=old).update(newsletter=new)
    _rename_in_lists(Letter.objects.exclude(newsletters=None), "newsletters", old, new)
    _rename_in_lists(Suppression.objects.exclude(newsletters_left=None), "newsletters_left", old, new)
    _remember(old, new)
    return carried


def _rename_in_lists(rows: models.QuerySet[Any], column: str, old: str, new: str) -> None:
    for row in rows.iterator(1000):
        labels = getattr(row, column)
        if old in labels:
            rows.filter(pk=row.pk).update(**{column: [new if label == old else label for label in labels]})


def _remember(old: str, new: str) -> None:
    RenamedNewsletter.objects.filter(label=new).delete()  # renamed back
    RenamedNewsletter.objects.filter(now=old).update(now=new)
    RenamedNewsletter.objects.update_or_create(label=old, defaults={"now": new, "at": clock.now()})
