"""Find subscribers whom a provider refuses without naming them, by halving their batch."""

from django.db.models import F, Max, Q, QuerySet

from mailer.models import Batch, Delivery
from mailer.store import clock

MOST_ROUNDS = 3  # refusals of named subscribers before a batch is halved


def only_one_left(batch: Batch) -> bool:
    return batch.size - batch.skipped - batch.rejected <= 1


def split(batch: Batch) -> int:
    """Move the later half of the open deliveries to a new planned batch, and return its id.

    Runs in the settling transaction, which holds the send alone: numbers are given once. A batch that ever had an
    unknown attempt is never split.
    """
    open_ = list(Delivery.objects.filter(batch=batch, outcome=None).order_by("pk").values_list("pk", flat=True))
    later = open_[(len(open_) + 1) // 2 :]
    number = Batch.objects.filter(send=batch.send_id).aggregate(last=Max("number"))["last"] + 1
    new = Batch.objects.create(
        send_id=batch.send_id,
        number=number,
        size=len(later),
        split_from_id=batch.split_from_id or batch.pk,
        not_before=clock.now(),
    )
    moved = Delivery.objects.filter(batch=batch, outcome=None, pk__gte=later[0]).update(batch=new)
    Batch.objects.filter(pk=batch.pk).update(size=F("size") - moved, rounds=0)
    return new.pk


def refuse_single(batch: Batch, delivery: int, detail: str) -> bool:
    """Reject the one subscriber left. Return False if the email itself seems refused; then all are restored.

    When the first two singles of a batch are refused and no part of it was accepted, the fault is hardly theirs.
    """
    root = batch.split_from_id or batch.pk
    family = Batch.objects.filter(Q(pk=root) | Q(split_from=root))
    # Not those whom the provider refused by name: that says nothing of the mail.
    refused = family.filter(state=Batch.State.REFUSED, refused_alone__gt=0)
    if refused.exists() and not family.filter(state=Batch.State.ACCEPTED).exists():
        _restore(refused)
        return False
    Delivery.objects.filter(pk=delivery, outcome=None).update(outcome=Delivery.Outcome.REJECTED, reason=detail)
    Batch.objects.filter(pk=batch.pk).update(
        state=Batch.State.REFUSED, refused_alone=delivery, current_attempt=None, rejected=F("rejected") + 1
    )
    return True


def _restore(refused: QuerySet[Batch]) -> None:
    for batch in refused:
        alone = Delivery.objects.filter(batch=batch, pk=batch.refused_alone or 0, outcome=Delivery.Outcome.REJECTED)
        restored = alone.update(outcome=None, reason=None)
        Batch.objects.filter(pk=batch.pk).update(
            state=Batch.State.PLANNED, refused_alone=None, rejected=F("rejected") - restored
        )
