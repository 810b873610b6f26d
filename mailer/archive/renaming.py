"""Give what the archive has beside the sends to a newsletter's new label."""

from typing import Any

from django.db.models import Model

from mailer.models import Alias, ArchivedIssue, RemovedPage

# By what a newsletter has a row once.
_KEYS: tuple[tuple[type[Model], str], ...] = ((ArchivedIssue, "slug"), (Alias, "name"), (RemovedPage, "slug"))


def rename(old: str, new: str) -> int:
    """Carry imported issues, former addresses and removals along; return how many issues.

    What the new label has of the same name already stays as it is, and takes the place of the old label's.
    """
    carried = 0
    for model, key in _KEYS:
        manager: Any = model._default_manager
        taken = manager.filter(newsletter=new).values(key)
        manager.filter(newsletter=old, **{f"{key}__in": taken}).delete()
        moved = manager.filter(newsletter=old).update(newsletter=new)
        carried += moved if model is ArchivedIssue else 0
    return carried
