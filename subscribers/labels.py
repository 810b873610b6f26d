"""Labels of newsletters: which there are, and what they are called now.

A label is signed into every link that was ever mailed, and stands in journals and logs outside the database. None of
these can be rewritten, so the former label is kept by `renaming`, and read as the one of today.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, models

from subscribers.models import RenamedNewsletter, Subscription


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


class Names:
    """What a label in a log means in a database that may be older or newer than the renames in that log."""

    def __init__(self, renames: Iterable[tuple[str, str]]) -> None:
        self._renamed = renamed()
        self._held = set(held())
        self._same: dict[str, set[str]] = {}
        for old, new in [*renames, *self._renamed.items()]:
            both = self._same.get(old, {old}) | self._same.get(new, {new})
            self._same |= dict.fromkeys(both, both)

    def known(self, label: str) -> bool:
        """Tell whether the database has this label, or had it."""
        return label in self._held or label in self._renamed

    def resolves(self, label: str) -> bool:
        """Tell whether it is known which other label this newsletter has, or had, here."""
        return bool((self._same.get(label, set()) - {label}) & {*self._held, *self._renamed})

    def of(self, label: str) -> list[str]:
        """Return the labels under which this newsletter has subscriptions here; the label of today if it has none.

        More than one if people signed up under the new label of a newsletter whose rename a restored backup lacks.
        """
        return sorted(self._same.get(label, {label}) & self._held) or [as_of_now(label, self._renamed)]


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
