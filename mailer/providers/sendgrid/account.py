"""What SendGrid says of this account: key, senders, credits, webhook.

Keys are made with few scopes on purpose. What a key may not look at is a warning, never an error.
"""

import base64
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.conf import settings

from mailer.config.patience import NoAnswer, in_time, patiently
from mailer.providers.answers import Unreachable
from mailer.providers.protocol import Check, Unseen
from mailer.providers.sendgrid.client import Client

# The events that we use, as the webhook's settings call them.
EVENTS = ("processed", "dropped", "delivered", "deferred", "bounce", "spam_report")
SCOPES = {
    "credits": "user.credits.read",
    "webhook": "user.webhooks.event.settings.read",
    "suppressions": "suppression.read",
}


def ask(client: Callable[[], Client], path: str) -> Any:
    """Return the JSON that SendGrid answers to GET `path`. Raises Unseen, and NoAnswer within a check."""
    try:
        status, answer = in_time(lambda: client().get(path))
    except Unreachable as error:
        raise Unseen(str(error)) from error
    if status != 200:
        raise Unseen(str(status))
    return answer


class SendGridAccount:
    def __init__(self, client: Callable[[], Client]) -> None:
        self._client = client

    def key(self) -> Check:
        """Check that SendGrid accepts the key, and that it may send."""
        if not settings.SENDGRID_API_KEY:
            return Check("SENDGRID_API_KEY", "warning", "not set: every send is a rehearsal")
        try:
            status, answer = in_time(lambda: self._client().get("/v3/scopes"))
        except Unreachable as error:
            return Check("SENDGRID_API_URL", "error", f"{settings.PROVIDER} cannot be reached: {error}")
        if status != 200:
            return Check(
                "SENDGRID_API_KEY",
                "error",
                f"{settings.PROVIDER} answers {status}: the key is wrong or deleted; "
                "create one with the Mail Send scope",
            )
        scopes = answer.get("scopes", []) if isinstance(answer, dict) else []
        if "mail.send" not in scopes:
            return Check("SENDGRID_API_KEY", "error", "the key may not send; give it the Mail Send scope")
        return Check("SENDGRID_API_KEY", "ok", f"{settings.PROVIDER} accepts it, and it may send")

    def senders(self, emails: Collection[str]) -> Iterator[Check]:
        """Check that SendGrid accepts email from each of these addresses."""
        try:
            with patiently():
                single, authenticated = self._verified_addresses(), self._authenticated_domains()
        except NoAnswer as why:
            yield Check("senders", "warning", str(why))
            return
        for email in sorted(emails):
            yield _sender(email, single, authenticated)

    def credits_left(self) -> int:
        """Return how many emails the plan still allows. Raises Unseen."""
        answer = ask(self._client, "/v3/user/credits")
        left = answer.get("remain") if isinstance(answer, dict) else None
        if not isinstance(left, int):
            raise Unseen("the answer has no number")
        return left

    def webhook(self, url: str) -> Check:
        """Check that what becomes of each mail is told to `url`, signed. Raises Unseen."""
        there = _list(ask(self._client, "/v3/user/webhooks/event/settings/all"), "webhooks")
        ours = [one for one in there if _same(one.get("url"), url)]
        if not ours:
            return _webhook_is("warning", f"none points to {url}: bounces and complaints would never be recorded")
        chosen = next((one for one in ours if one.get("enabled")), ours[0])
        if not chosen.get("enabled"):
            return _webhook_is("warning", f"the webhook to {url} is switched off")
        if fault := _fault_of_key(self._public_key_of(chosen)):
            return fault
        if missing := [event for event in EVENTS if not chosen.get(event)]:
            return _webhook_is("warning", f"also switch on these events: {', '.join(missing)}")
        return _webhook_is("ok", f"{url} receives all required events, signed")

    def scope(self, what: str) -> str:
        return f"the scope {SCOPES[what]}"

    def _verified_addresses(self) -> set[str] | None:
        try:
            found = _list(ask(self._client, "/v3/verified_senders?limit=200"), "results")
        except Unseen:
            return None
        return {str(one.get("from_email", "")).lower() for one in found if one.get("verified")}

    def _authenticated_domains(self) -> dict[str, bool] | None:
        """Return domain → whether its records were found valid; None if the key may not see them."""
        try:
            found = _list(ask(self._client, "/v3/whitelabel/domains?limit=200"), "")
        except Unseen:
            return None
        domains: dict[str, bool] = {}
        for one in found:
            domain = str(one.get("domain", "")).lower()
            domains[domain] = domains.get(domain, False) or bool(one.get("valid"))
        return domains

    def _public_key_of(self, chosen: dict[str, Any]) -> str:
        """Return the key as base64; empty if the webhook is not signed."""
        if "public_key" in chosen:
            return str(chosen["public_key"] or "")
        answer = ask(self._client, f"/v3/user/webhooks/event/settings/signed/{chosen.get('id', '')}")
        return str(answer.get("public_key") or "") if isinstance(answer, dict) else ""


def _sender(email: str, single: set[str] | None, authenticated: dict[str, bool] | None) -> Check:
    name, domain = f"sender {email}", email.rpartition("@")[2].lower()
    if authenticated and authenticated.get(domain):
        return Check(name, "ok", f"{domain} is authenticated at SendGrid")
    if single and email.lower() in single:
        return Check(name, "ok", f"verified at SendGrid as a single sender; authenticating {domain} is better")
    if authenticated and domain in authenticated:
        return Check(name, "error", f"{domain} is entered at SendGrid but not authenticated; add its DNS records")
    if single is None or authenticated is None:
        return Check(name, "warning", "cannot be seen with this key: whether SendGrid has verified this sender")
    return Check(
        name,
        "error",
        f"SendGrid has verified neither the address nor {domain} and would refuse its emails (403); "
        "see Settings, Sender Authentication there",
    )


def _list(answer: Any, under: str) -> list[dict[str, Any]]:
    found = answer.get(under) if under and isinstance(answer, dict) else answer
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _webhook_is(state: str, detail: str) -> Check:
    place = "" if state == "ok" else "; see Settings, Mail Settings, Event Webhook at SendGrid"
    return Check("webhook", state, detail + place)


def _same(url: Any, ours: str) -> bool:
    return str(url or "").rstrip("/") == ours.rstrip("/")


def _fault_of_key(public_key: str) -> Check | None:
    if not public_key:
        return _webhook_is("error", "it is not signed, and unsigned events are refused: switch Signed Event Webhook on")
    if not settings.SENDGRID_WEBHOOK_KEYS:
        return _webhook_is("error", f"all events are refused: set SENDGRID_WEBHOOK_PUBLIC_KEY={public_key}")
    try:
        known = base64.b64decode(public_key) in settings.SENDGRID_WEBHOOK_KEYS
    except ValueError:
        known = False
    if known:
        return None
    return _webhook_is(
        "error", f"SENDGRID_WEBHOOK_PUBLIC_KEY is not the key that SendGrid signs with; that key is {public_key}"
    )
