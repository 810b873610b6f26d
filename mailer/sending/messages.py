"""What all subscribers of a send get alike, as the provider is told it."""

from mailer.models import Send
from mailer.providers.messages import Message
from mailer.store.installation import public_id


def message_of(send: Send) -> Message:
    """Return the message that the plan froze. Events carry its custom_args back: ids only, nothing personal."""
    return Message(
        subject=send.subject,
        from_email=send.from_email,
        from_name=send.from_name,
        reply_to=send.reply_to,
        html=send.html,
        text=send.text,
        headers=send.headers,
        unsubscribe_placeholder=send.placeholders["unsubscribe"],
        custom_args={"mailer_installation": public_id(), "mailer_send": str(send.pk)},
    )
