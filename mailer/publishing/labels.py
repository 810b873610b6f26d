"""Labels that newsletter.toml no longer has although they have subscribers or sends; and renaming one for good.

A table renamed in the file alone makes a new newsletter without history: who left the old one can be imported into it
again, and an issue that went out before goes out again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from mailer.archive import indexing
from mailer.archive import renaming as archive_renaming
from mailer.config.newsletter import Newsletter
from mailer.models import REHEARSAL, ArchivedIssue, Batch, Send, Welcome
from mailer.models.sends import SendQuerySet
from mailer.publishing.errors import CorrectRequest, CorrectSettings, Refused
from mailer.store import accounts, page_images
from subscribers import labels, optouts, renaming
from subscribers.auditing import Act
from subscribers.models import Subscription
from subscribers.optouts import RENAMED
from subscribers.renaming import Carried

log = logging.getLogger(__name__)

_HAS_BATCHES = Exists(Batch.objects.filter(send=OuterRef("pk")))


@dataclass(frozen=True)
class Orphan:
    """A label that is not configured here, and what it has."""

    label: str
    subscribers: int
    sends: int
    imported: int = 0

    def __str__(self) -> str:
        imported = f", {self.imported:,} imported" if self.imported else ""
        return f"{self.label} ({self.subscribers:,} subscribed, {self.sends:,} sent{imported})"


@dataclass(frozen=True)
class Renamed:
    carried: Carried
    sends: int
    imported: int


def orphans() -> list[Orphan]:
    """Return the labels that have subscribers, real sends or imported issues and are not in newsletter.toml, in order.

    One that was mailed last with another account's key is a newsletter of another installation at this database.
    """
    archived = ArchivedIssue.objects.all()
    known = {*labels.held(), *labels.distinct(_real()), *labels.distinct(archived)} - set(settings.NEWSLETTERS)
    ours = [label for label in sorted(known) if not _of_another_account(label)]
    return [
        Orphan(
            label,
            _active(label),
            _real().issues().filter(newsletter=label).count(),
            archived.filter(newsletter=label).count(),
        )
        for label in ours
    ]


def _of_another_account(label: str) -> bool:
    account = None if settings.PROVIDER == REHEARSAL else accounts.known_account()
    last = _real().filter(newsletter=label).order_by("-created_at").first()
    return bool(account and last and last.account_id not in (None, account.pk))


def require_not_renamed(newsletter: Newsletter, source_sha256: str) -> None:
    """Raise CorrectSettings if the newsletter looks like one that has another label in the database.

    It has the same list_id; or sent the same issue; or, as long as this one has sent nothing, mailed from the same
    address with the same account. The newsletters of other installations at this database are none of these.
    """
    require_new(newsletter.label)
    if former := _same_newsletter(newsletter, source_sha256):
        raise CorrectSettings(
            f"the newsletter {newsletter.label} seems to be {former}, which has subscribers or sends but is not in "
            f"{settings.CONFIG}: {newsletter.label} would not know who unsubscribed. Run `mailer newsletters rename "
            f"{former} {newsletter.label}`, or put {former} back into the file. Nothing was sent."
        )


def _same_newsletter(newsletter: Newsletter, source_sha256: str) -> str:
    account = accounts.known_account()
    sends = _real().exclude(newsletter__in=list(settings.NEWSLETTERS))
    # Another account's is of another installation at this database, which may well send the same issue.
    ours = sends.filter(Q(account=account) | Q(account=None))
    same = sends.filter(list_id=newsletter.list_id) | ours.filter(source_sha256=source_sha256)
    if not _mailed(newsletter.label).exists():
        same = same | sends.filter(from_email=newsletter.from_email, account=account)
    return same.order_by("-created_at").values_list("newsletter", flat=True).first() or ""


def require_new(*configured: str) -> None:
    """Raise CorrectSettings if one of these labels of newsletter.toml was that of a renamed newsletter before."""
    for label, now in reused(*configured).items():
        raise CorrectSettings(f"{settings.CONFIG}: {why_not_reused(label, now)} Nothing was done.")


def reused(*configured: str) -> dict[str, str]:
    """Return those of these labels that were another newsletter's before, and what that is called now."""
    renamed = labels.renamed()
    return {label: renamed[label] for label in configured if label in renamed}


def why_not_reused(label: str, now: str) -> str:
    return (
        f"{label} was the label of {now} before; links in its emails still contain it, so a new newsletter cannot have "
        f"it. If this file is from before the rename, rename the table [newsletters.{label}] to [newsletters.{now}]; "
        "else choose another label."
    )


def rename(old: str, new: str, audit: Callable[[Act], None]) -> Renamed:
    """Give all that the label `old` has the label `new`, in one transaction, with an entry in the audit log.

    Raises CorrectRequest, CorrectSettings; Refused while something is being sent.
    """
    require_renamable(old, new)
    newsletter = settings.NEWSLETTERS[new]
    with transaction.atomic():
        # In the order of mailer.sending.welcoming.
        list(Welcome.objects.select_for_update().filter(newsletter__in=(old, new)).order_by("pk").values_list("pk"))
        # Locked first, as a claim does: nothing starts between this look and the end.
        list(Send.objects.select_for_update().filter(newsletter__in=(old, new)).order_by("pk").values_list("pk"))
        _require_at_rest(old)
        _require_one_newsletter(old, new)
        Send.objects.filter(newsletter=new, provider=REHEARSAL).delete()
        _forget_welcome(old if _has_stragglers(old, new) else new)
        Welcome.objects.filter(newsletter=old).update(newsletter=new)
        carried = renaming.rename(old, new, newsletter.list_id)
        sends = Send.objects.issues().filter(newsletter=old).count()
        Send.objects.filter(newsletter=old).update(newsletter=new, list_id=newsletter.list_id)
        indexing.forget_newsletter(old)
        page_images.rename(old, new)
        imported = archive_renaming.rename(old, new)
        audit(Act("renamed", count=carried.subscriptions, detail=f"newsletter {old} to {new}"))
    log.warning("newsletter renamed", extra={"old": old, "new": new, "subscriptions": carried.subscriptions})
    return Renamed(carried, sends, imported)


def require_renamable(old: str, new: str) -> None:
    """Raise CorrectRequest or CorrectSettings unless the file says that `old` is called `new` now."""
    if new not in settings.NEWSLETTERS:
        raise CorrectRequest(
            f"there is no newsletter {new!r} in {settings.CONFIG}; rename the table [newsletters.{old}] there first."
        )
    if old in settings.NEWSLETTERS:
        raise CorrectRequest(f"{old} is still a newsletter of {settings.CONFIG}; rename its table there first.")
    if not any(orphan.label == old for orphan in orphans()) and not Send.objects.filter(newsletter=old).exists():
        raise CorrectRequest(f"there is no newsletter {old!r} in the database; `mailer doctor` lists those there are.")
    last = _real().filter(newsletter=old).exclude(list_id="").order_by("-created_at").first()
    here = settings.NEWSLETTERS[new].list_id
    if last and last.list_id != here:
        raise CorrectSettings(
            f"{new} has the list_id {here}, but {old} was emailed with {last.list_id}, by which subscribers' email "
            f'programs sort it; add list_id = "{last.list_id}" to [newsletters.{new}] first.'
        )
    _require_at_rest(old)
    _require_one_newsletter(old, new)


def require_renames_known(log_of_optouts: Path) -> None:
    """Raise Refused if the database may lack a rename, and the log of opt-outs does not say which.

    Replayed then, an opt-out would count for the new label alone, and the subscriber stay active under the former one.
    """
    unsure = [label for label in _of_unknown_history(log_of_optouts) if label in settings.NEWSLETTERS]
    for orphan in orphans() if unsure else ():
        raise Refused(
            f"{log_of_optouts} has people who left {unsure[0]}, and the database has the newsletter {orphan}, which is "
            f"not in {settings.CONFIG}. If {unsure[0]} is its new name, run `mailer newsletters rename {orphan.label} "
            f"{unsure[0]}` first, then this command again; if it is another newsletter, put the table [newsletters."
            f"{orphan.label}] back into the file first. Nothing was adopted."
        )


def nowhere(log_of_optouts: Path) -> list[str]:
    """Return labels in the log of opt-outs that neither the database nor newsletter.toml has."""
    return [
        label for label in _of_unknown_history(log_of_optouts) if label not in {*settings.NEWSLETTERS, *labels.held()}
    ]


def _of_unknown_history(log_of_optouts: Path) -> list[str]:
    """Return the labels in the log that may be new ones of a newsletter here, as far as is known.

    One that was sent from here is a newsletter of its own.
    """
    names = labels.Names(optouts.renames(log_of_optouts))
    named = {optout.newsletter for optout in optouts.read(log_of_optouts) if optout and optout.reason != RENAMED} - {""}
    unsure = [label for label in sorted(named) if not names.resolves(label)]
    return [label for label in unsure if not _mailed(label).exists()]


def _require_at_rest(old: str) -> None:
    sends = Send.objects.filter(newsletter=old)
    in_flight = Batch.objects.filter(send__in=sends, state=Batch.State.POSTING)
    under_way = sends.filter(state__in=Send.UNDER_WAY) | sends.filter(pk__in=in_flight.values("send"))
    if send := under_way.first():
        raise Refused(f"{send.slug} of {old} is being sent; wait until it ends, or `mailer pause {send.slug}` first.")


def _require_one_newsletter(old: str, new: str) -> None:
    """Refuse to make one newsletter of two that were both sent.

    Who signed up under the new label before the rename, or later under the former one, is of the same newsletter.
    """
    if _has_stragglers(old, new):
        return
    if send := _mailed(new).first():
        raise Refused(f"{new} has sent {send.slug} already, so it is a newsletter of its own; choose another label.")


def _has_stragglers(old: str, new: str) -> bool:
    """Tell whether `old` was renamed to `new` before, and has only what came later under the former label."""
    return labels.renamed().get(old) == new and not _mailed(old).exists()


def _forget_welcome(label: str) -> None:
    """Delete versions of a welcome that nobody got: frozen under a label that is no newsletter of its own."""
    Send.objects.filter(newsletter=label, kind=Send.Kind.WELCOME).filter(~_HAS_BATCHES).delete()


def _mailed(label: str) -> QuerySet[Send]:
    """Return the newsletter's issues and versions of a welcome that somebody got: with any, it is one of its own."""
    return _real().filter(Q(kind=Send.Kind.ISSUE) | Q(_HAS_BATCHES), newsletter=label)


def _real() -> SendQuerySet:
    return Send.objects.defer("html", "text", "article").exclude(provider=REHEARSAL)


def subscriptions_of(label: str) -> int:
    return Subscription.objects.filter(newsletter=label).count()


def _active(label: str) -> int:
    return Subscription.objects.filter(newsletter=label, state=Subscription.State.ACTIVE).count()
