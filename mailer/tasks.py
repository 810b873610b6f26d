"""Celery's entry to sending: an id in, one plain function called."""

from celery import shared_task


@shared_task(name="mailer.deliver_send")  # type: ignore[untyped-decorator]
def deliver_send(send_id: int) -> None:
    from mailer.sending.feeding import feed

    feed(send_id)


@shared_task(name="mailer.deliver_batch")  # type: ignore[untyped-decorator]
def deliver_batch(batch_id: int) -> None:
    """Accept the hints of versions up to 0.1, which named a batch."""
    from mailer.models import Batch

    for send_id in Batch.objects.filter(pk=batch_id).values_list("send", flat=True):
        deliver_send.run(send_id)


@shared_task(name="mailer.tell_editor")  # type: ignore[untyped-decorator]
def tell_editor(send_id: int) -> None:
    from mailer.worker.notifying import notify_editor

    notify_editor(send_id)
