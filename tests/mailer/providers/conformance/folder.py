"""A third provider, as small as possible: each email becomes a file in a folder, and it reports no events.

`settings.FOLDER` is that folder. Its switches (`FAULT`) are what a provider can do to a request.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage as Mail
from email.policy import SMTP
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.core.mail import EmailMessage

from mailer.providers.answers import (
    Accepted,
    Answer,
    ConnectFailed,
    DeadlinePassed,
    OutcomeUnknown,
    RateLimited,
    RecipientsRejected,
    Refused,
    UnlocatedRefusal,
)
from mailer.providers.headers import one_line
from mailer.providers.messages import InvalidMessage, Message, Recipient, Recipients
from mailer.providers.protocol import Names


@dataclass(frozen=True)
class Letters:
    """One request: address and email of each recipient, in the order given."""

    to: list[str]
    mails: list[bytes]


class Folder:
    names = Names(provider="Folder", path="folder", key="FOLDER", url="FOLDER", events="none")
    most_recipients = 2
    dkim_selectors: Sequence[str] = ()
    events = account = suppressions = None

    fault = ""  # what the next request meets
    bad: frozenset[str] = frozenset()  # addresses that it refuses by index

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        return self._folder or Path(settings.FOLDER)

    def key(self) -> str:
        return str(self.folder)

    def prepare(self, message: Message, recipients: Recipients, attempt: UUID | None) -> Letters:
        return Letters(list(recipients.emails), [_letter(message, one, attempt) for one in recipients])

    def prepare_single(self, mail: EmailMessage) -> Letters:
        return Letters(mail.recipients(), [mail.message().as_bytes()] * len(mail.recipients()))

    def faults(self, request: Letters) -> list[str]:
        return [] if all(map(len, request.mails)) else ["A mail is empty."]

    def get_ready(self) -> None:
        """Do nothing: the folder exists or not."""

    def post(self, request: Letters, first_byte_by: float | None = None) -> Answer:
        fault, Folder.fault = Folder.fault, ""
        if not self.folder.is_dir():
            return ConnectFailed(f"{self.names.provider} is not there")
        if first_byte_by is not None and time.monotonic() > first_byte_by:
            return DeadlinePassed()
        if bad := {index: "no such box" for index, email in enumerate(request.to) if email in Folder.bad}:
            return RecipientsRejected(bad, 550)
        if fault == "rate limited":
            return RateLimited("too fast", 2.0)
        if fault == "refused":
            return Refused("nothing from you", 403)
        if fault == "refused without a place":
            return UnlocatedRefusal("somebody is wrong", 400)
        if fault == "lost before accepting":
            return OutcomeUnknown("no answer", None, "no answer")
        self._write(request)
        return (
            OutcomeUnknown("no answer", None, "no answer") if fault == "lost after accepting" else Accepted(uuid4().hex)
        )

    def rewrites(self, link: str) -> bool:
        return False

    def rehearse(self, folder: Path) -> "Folder":
        folder.mkdir(parents=True, exist_ok=True)
        return Folder(folder)

    def _write(self, request: Letters) -> None:
        """Write all files or none: a request that dies before its folder is renamed has emailed nobody."""
        unfinished = self.folder / f".{uuid4().hex}"
        unfinished.mkdir()
        for number, (to, mail) in enumerate(zip(request.to, request.mails, strict=True)):
            (unfinished / f"{number:04} {to}.eml").write_bytes(mail)
        os.rename(unfinished, self.folder / uuid4().hex)


def _letter(message: Message, one: Recipient, attempt: UUID | None) -> bytes:
    mail = Mail(policy=SMTP.clone(max_line_length=998))
    try:
        for name, value in message.headers.items():
            mail[name] = one_line(value, f"the header {name}")
        mail["From"] = one_line(f"{message.from_name} <{message.from_email}>", "the sender's name")
        mail["To"], mail["Subject"] = one.email, one_line(message.subject, "the subject")
        mail["List-Unsubscribe"] = f"<{one.unsubscribe_url}>"
    except ValueError as error:
        raise InvalidMessage(str(error)) from error
    if attempt:
        mail["X-Attempt"] = str(attempt)
    mail.set_content(message.text.replace(message.unsubscribe_placeholder, one.unsubscribe_url))
    html = message.html.replace(message.unsubscribe_placeholder, one.unsubscribe_url)
    mail.add_alternative(html, subtype="html")
    return mail.as_bytes()
