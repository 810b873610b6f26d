"""Deliver one batch: claim it, make the request, settle the answer."""

import logging
import time
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from mailer.config import exhaustion
from mailer.models import Send
from mailer.providers.answers import Answer, DeadlinePassed, Exhausted
from mailer.providers.current import current_provider
from mailer.providers.messages import Message, Recipients
from mailer.sending.claiming import Claim, claim_next
from mailer.sending.messages import message_of
from mailer.sending.settling import defect, settle
from mailer.sending.statements import as_bytes
from mailer.store import clock, interruptions
from mailer.store.installation import link_keys
from subscribers import tokens

log = logging.getLogger(__name__)

FIRST_BYTE_WITHIN = 2.0  # seconds after the claim's commit: a worker that was stopped in between must not post


def deliver_next(send_id: int) -> bool:
    """Deliver the send's first due batch. Return False if none is due, or this worker may not send it now."""
    taken = claim_next(send_id)
    if taken is None:
        return False
    if taken.members:
        _deliver(taken)
    return True


def _deliver(taken: Claim) -> None:
    try:
        provider = current_provider()
        provider.get_ready()
        request = provider.prepare(_frozen(taken.send).message, _recipients(taken), taken.attempt)
    except (OperationalError, InterfaceError):
        connection.close()
        _settle_until_written(taken, DeadlinePassed())  # nothing was sent, and once the database is back it is
        return
    except Exception as error:
        if detail := exhaustion.shortage(error):
            _rest(taken, Exhausted(detail))
            return
        defect(taken, error)  # nothing was sent: the subscribers wait until the bug is fixed
        raise
    answer = provider.post(request, first_byte_by=taken.committed + FIRST_BYTE_WITHIN)
    if isinstance(answer, Exhausted):
        _rest(taken, answer)
        return
    exhaustion.recovered()
    _settle_until_written(taken, answer)


def _rest(taken: Claim, answer: Exhausted) -> None:
    """Plan the batch again, since nothing was sent, for a worker that has what this one lacks."""
    exhaustion.ran_out(answer.detail)
    _settle_until_written(taken, answer)


def _settle_until_written(taken: Claim, answer: Answer) -> None:
    """Write the answer, if the database comes back before the lease ends; else the sweep finds the attempt."""
    # By this process's own measure: while the database is down its clock cannot be read.
    until, said = taken.committed + settings.MAILER_LEASE, ""
    while True:
        try:
            settle(taken, answer)
            return
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if time.monotonic() >= until:
                raise
            because = interruptions.failed(error)
        except (OSError, MemoryError, RuntimeError) as error:
            because = exhaustion.shortage(error)
            if not because or time.monotonic() >= until:
                raise
        if because != said:
            log.warning("answer not stored yet, will retry", extra={"attempt": taken.attempt, "because": because})
            said = because
        time.sleep(0.5)


def _recipients(taken: Claim) -> Recipients:
    frozen, members = _frozen(taken.send), taken.members
    # One key for the whole request, and an attempt is never posted twice: a new one may carry the signatures of a newer
    # key, and the links of both open.
    key = link_keys().signing(clock.estimated())
    signer = tokens.Signer(tokens.UNSUBSCRIBE, frozen.newsletter, key)
    links = [f"{frozen.base_url}/unsubscribe/{token}/" for token in signer.tokens(as_bytes(members.public_ids))]
    return Recipients(members.deliveries, members.emails, members.names, links)


@dataclass(frozen=True)
class _Frozen:
    base_url: str
    newsletter: str
    message: Message


@lru_cache(maxsize=8)
def _frozen(send_id: int) -> _Frozen:
    """Return what the plan froze. It never changes, and an id is never given twice, so it may be cached."""
    send = Send.objects.get(pk=send_id)
    return _Frozen(send.base_url, send.newsletter, message_of(send))
