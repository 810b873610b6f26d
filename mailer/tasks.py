"""Celery's door to sending: an id in, one plain function called."""

from celery import shared_task


@shared_task(name="mailer.deliver_batch")  # type: ignore[untyped-decorator]
def deliver_batch(batch_id: int) -> None:
    from mailer.sending.delivering import deliver_batch as deliver

    deliver(batch_id)


@shared_task(name="mailer.tell_editor")  # type: ignore[untyped-decorator]
def tell_editor(send_id: int) -> None:
    from mailer.notifying import tell

    tell(send_id)
