"""Check that the pages behind an issue's links exist: `mailer check --links`."""

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from mailer.checks.internet import Address, is_public
from mailer.checks.proofs import Proof, shortened
from mailer.checks.visiting import NotAsked, Reply, Unreachable, Visitor, by_host, host_of
from mailer.content.assets.links import Destinations, LinkError, absolute
from mailer.content.findings import Finding

LANES = 8
AGENT = "mailer-link-check/1.0 (checks the links of a newsletter before it is sent)"
# Sites that let people in but not programs; 999 is LinkedIn's.
REFUSALS = (401, 402, 403, 405, 406, 407, 418, 425, 429, 451, 503, 999)


@dataclass(frozen=True)
class Answer:
    """The result for one address."""

    status: int = 0  # of the last page; 0: there was no answer
    reason: str = ""  # why there was none
    moved_to: str = ""  # where the address leads for good, or on another site
    asked: bool = True  # else `reason` says why it was left out


def fetch(addresses: Iterable[str], may_connect: Callable[[Address], bool] = is_public) -> dict[str, Answer]:
    """Return the answer for each http(s) address. Eight hosts at a time, and one request at a time to each."""
    visitor = _LinkVisitor(may_connect)
    answers: dict[str, Answer] = {}
    with ThreadPoolExecutor(LANES) as lanes:
        for found in lanes.map(lambda group: [(one, visitor.visit(one)) for one in group], by_host(addresses)):
            answers.update(found)
    return answers


class _LinkVisitor(Visitor):
    agent = AGENT

    def visit(self, address: str) -> Answer:
        """Follow `address` to its final page."""
        try:
            visit = self.follow(address, self._head_or_get)
        except Unreachable as error:
            return Answer(0, str(error))
        except NotAsked as error:
            return Answer(0, str(error), asked=False)
        leads_away = visit.moved or host_of(visit.address).removeprefix("www.") != host_of(address).removeprefix("www.")
        return Answer(visit.reply.status, "", visit.address if visit.address != address and leads_away else "")

    def _head_or_get(self, address: str) -> Reply:
        host = host_of(address)
        try:
            reply = self.ask("HEAD", address)
        except Unreachable:
            if self.gave_up(host):
                raise
            return self.ask("GET", address)
        # Many sites have no answer to HEAD, or a wrong one.
        return reply if reply.status < 400 else self.ask("GET", address)


# ---------------------------------------------------------------- findings


def look(proof: Proof, answers: Mapping[str, Answer]) -> list[Finding]:
    """Report what the answers mean for the issue's links, each address once."""
    found = []
    for address, (line, column) in places(proof).items():
        answer = answers.get(address, Answer())
        if told := _told(shortened(address, 70), answer):
            found.append(proof.finding(line, column, *told))
    return found


def places(proof: Proof) -> dict[str, tuple[int, int]]:
    """Return the web addresses of the issue's links and remote images, with where each is written first."""
    found: dict[str, tuple[int, int]] = {}
    for link in proof.links:
        if address := _address(proof, link.target):
            found.setdefault(address, (link.line, link.column))
    for picture in proof.pictures:
        if re.match(r"(https?:)?//", picture.target, re.IGNORECASE) and (address := _address(proof, picture.target)):
            found.setdefault(address, (picture.line, picture.column))
    return found


def _address(proof: Proof, target: str) -> str:
    """Return the page that a link opens, or "" for an anchor, a mailbox, or an issue with a page here."""
    if not target or target.startswith("#") or "{{" in target:
        return ""
    issue = proof.issue
    place = PurePosixPath(*issue.path.resolve().parent.relative_to(issue.folder).parts)
    # An archive that is not public yet cannot be asked; that its pages exist is known.
    destinations = Destinations(proof.newsletter.source_url, place, "archive:", proof.known_slugs)
    try:
        address = absolute(target, destinations)
    except LinkError:
        return ""
    return address.split("#")[0] if address.lower().startswith(("http://", "https://")) else ""


def _told(address: str, answer: Answer) -> tuple[str, str, str] | None:
    """Return (rule, message, fix), or None if the page exists."""
    if not answer.asked:
        return "link-unasked", f'"{address}" was not checked: {answer.reason}', "open it in a browser, or check again"
    if not answer.status:
        return "link-dead", f'"{address}" does not answer: {answer.reason}', "correct the link, or remove it"
    if answer.status in REFUSALS:
        return (
            "link-refused",
            f'"{address}" answers {answer.status} to programs, but may work for people',
            "open it in a browser once",
        )
    if answer.status >= 400:
        return "link-dead", f'"{address}" answers {answer.status}', "correct the link, or remove it"
    if answer.moved_to:
        return (
            "link-moved",
            f'"{address}" redirects to {shortened(answer.moved_to, 90)}',
            "use that address if it is the page you mean",
        )
    return None
