"""Refuse what would harm subscribers, even if our own module of SendGrid's rules does not."""

import re
from collections.abc import Iterator
from typing import Any

PLACEHOLDER = re.compile(r"zq[0-9a-f]{16}")


def essential_errors(payload: Any) -> list[dict[str, Any]]:
    """Return breaches of the rules that protect subscribers, found without our own strict module."""
    try:
        people = payload["personalizations"]
        emails = [mailbox["email"] for one in people for mailbox in one["to"]]
        parts = [(part["type"], part["value"]) for part in payload["content"]]
        sender = payload["from"]["email"]
    except (KeyError, TypeError, AttributeError):
        return [error("Bad Request: not a mail", "")]
    wrong = []
    if not 1 <= len(people) <= 1000 or any(len(one["to"]) != 1 for one in people):
        wrong.append("1 to 1,000 personalizations, each to one")
    if len({email.lower() for email in emails}) != len(emails):
        wrong.append("an address twice")
    if "@" not in sender or not payload.get("subject"):
        wrong.append("from and subject")
    if [kind for kind, _ in parts] not in (["text/plain"], ["text/html"], ["text/plain", "text/html"]):
        wrong.append("text/plain, then text/html")
    if not all(value for _, value in parts):
        wrong.append("an empty part")
    if any("\n" in value or "\r" in value for one in [payload, *people] for value in one.get("headers", {}).values()):
        wrong.append("a line break in a header")
    if _holds_a_placeholder(" ".join(value for _, value in parts), people):
        wrong.append("something that was not filled in")
    wrong += _wrong_ways_out(payload.get("headers", {}), people)
    return [error(f"stand-in: {what}", "stand-in") for what in wrong]


def _holds_a_placeholder(text: str, people: list[dict[str, Any]]) -> bool:
    """Tell whether some subscriber would see a placeholder after all substitutions."""
    values = {value for one in people for value in one.get("substitutions", {}).values()}
    for tags in {frozenset(one.get("substitutions", {})) for one in people}:
        left = text
        for tag in tags:
            left = left.replace(tag, "")
        if PLACEHOLDER.search(left) or any(PLACEHOLDER.search(value) for value in values):
            return True
    return False


def _wrong_ways_out(headers: dict[str, str], people: list[dict[str, Any]]) -> Iterator[str]:
    """Check the headers with which an issue, unlike a single email, can be unsubscribed from."""
    if "List-ID" not in headers and "Precedence" not in headers:
        return
    links = [one.get("headers", {}).get("List-Unsubscribe", "") for one in people]
    if len(set(links)) != len(links) or not all(re.fullmatch(r"<https?://[^<>,\s]+>", link) for link in links):
        yield "one List-Unsubscribe for each reader"
    if any(
        value != link[1:-1]
        for one, link in zip(people, links, strict=True)
        for value in one.get("substitutions", {}).values()
        if link
    ):
        yield "the link in the text is that in the header"
    if headers.get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click":
        yield "one-click"


def error(message: str, field: str | None) -> dict[str, Any]:
    return {"message": message, "field": field, "help": None}
