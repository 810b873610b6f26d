"""Each provider with its backend: how to make it fail, and whom it emailed."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from mailer.providers.protocol import Provider
from mailer.providers.sendgrid.provider import SendGrid
from tests.mailer.providers.conformance.folder import Folder
from tests.mailer.providers.letters import PLACEHOLDER
from tests.stand_in import StandIn

# What can become of a request, and the answer that must say so.
FAULTS = {
    "away": "ConnectFailed",
    "rate limited": "RateLimited",
    "refused": "Refused",
    "refused without a place": "UnlocatedRefusal",
    "lost before accepting": "OutcomeUnknown",
    "lost after accepting": "OutcomeUnknown",
}


@dataclass(frozen=True)
class Received:
    """An email as its recipient got it."""

    email: str
    list_unsubscribe: str
    text: str
    html: str

    @classmethod
    def read(cls, file: Path) -> "Received":
        mail = message_from_bytes(file.read_bytes(), policy=default)
        text, html = (mail.get_body([kind]).get_content() for kind in ("plain", "html"))
        return cls(mail["To"].addresses[0].addr_spec, mail["List-Unsubscribe"], text, html)


class Ground(ABC):
    """A provider on a stand-in or a folder, as the conformance tests need it."""

    provider: Provider
    faults: frozenset[str]
    reports_events = False

    @abstractmethod
    def fail(self, fault: str) -> None:
        """Let the next request meet this fault."""

    @abstractmethod
    def refuse(self, email: str) -> None:
        """Let the provider refuse this address, by its index."""

    @abstractmethod
    def mailed(self) -> list[str]:
        """Return the addresses that were emailed, in order."""

    @abstractmethod
    def received(self) -> list[Received]:
        """Return what they got, in order."""


class SendGridGround(Ground):
    faults = frozenset(FAULTS)
    reports_events = True
    AS_THE_STAND_IN_SAYS = {
        "rate limited": "too many",
        "refused": "forbidden",
        "refused without a place": "too large",
        "lost before accepting": "close before accepting",
        "lost after accepting": "close after accepting",
    }

    def __init__(self, api: StandIn) -> None:
        self.provider, self.api = SendGrid(), api

    def fail(self, fault: str) -> None:
        if fault == "away":
            self.api.refuse_connections()
        else:
            self.api.fail(self.AS_THE_STAND_IN_SAYS[fault])

    def refuse(self, email: str) -> None:
        self.api.bad_addresses.add(email)

    def mailed(self) -> list[str]:
        return [one["email"] for one in self.api.recipients]

    def received(self) -> list[Received]:
        parts = [self.api.accepted[-1]["content"][f"text/{kind}"] for kind in ("plain", "html")]
        return [
            Received(
                one["email"], one["header"], *(part.replace(PLACEHOLDER, one["unsubscribe_url"]) for part in parts)
            )
            for one in self.api.recipients
        ]


class RehearsalGround(Ground):
    """A rehearsal, which cannot rate-limit, lose or refuse: it exists to show what would be emailed."""

    faults = frozenset({"away", "lost before accepting"})

    def __init__(self, folder: Path) -> None:
        self.folder, rehearsal = folder, SendGrid().rehearse(folder)
        self.provider, self.server = rehearsal, rehearsal._server

    def fail(self, fault: str) -> None:
        if fault == "away":
            self.server.stop()
        else:
            self.folder.write_text("in the way: the record cannot be written, and the answer is a 503")

    def refuse(self, email: str) -> None:
        assert "@" not in email, "a rehearsal refuses what is no address"

    def mailed(self) -> list[str]:
        records = sorted(self.folder.glob("*/accepted.jsonl")) if self.folder.is_dir() else []
        lines = [json.loads(line) for record in records for line in record.read_text().splitlines()]
        return [one["email"] for line in lines for one in line["recipients"]]

    def received(self) -> list[Received]:
        return [Received.read(file) for file in sorted(self.folder.glob("*/*.eml"))]


class FolderGround(Ground):
    faults = frozenset(FAULTS)

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.provider = folder, Folder(folder)

    def fail(self, fault: str) -> None:
        if fault == "away":
            self.folder.rmdir()
        else:
            Folder.fault = fault

    def refuse(self, email: str) -> None:
        Folder.bad = frozenset({email})

    def mailed(self) -> list[str]:
        return [file.stem.partition(" ")[2] for file in self._files()]

    def received(self) -> list[Received]:
        return [Received.read(file) for file in self._files()]

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[!.]*/*.eml")) if self.folder.is_dir() else []


@contextmanager
def stand_on(name: str, settings: Any, folder: Path) -> Iterator[Ground]:
    settings.MAILER_HTTP_TIMEOUT = 2.0
    if name == "sendgrid":
        with StandIn() as api:
            settings.SENDGRID_API_KEY, settings.SENDGRID_API_URL = api.key, api.url
            yield SendGridGround(api)
    elif name == "rehearsal":
        yield RehearsalGround(folder / "rehearsals")
    elif name == "folder":
        Folder.fault, Folder.bad = "", frozenset()
        yield FolderGround(folder / "letters")
        Folder.fault, Folder.bad = "", frozenset()


GROUNDS = {"sendgrid": SendGridGround, "rehearsal": RehearsalGround, "folder": FolderGround}
