"""What SendGrid says of this account: key, senders, credits, webhook, whom it would not mail.

Keys are made with few scopes on purpose. What a key may not look at is a warning, never an error.
"""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings

from mailer.cli.doctor.check import Check, NoAnswer, guarded, in_time, patiently
from mailer.cli.terminal import counted
from mailer.providers.answers import Unreachable
from mailer.providers.current import current_client

# The events that we use, as the webhook's settings call them.
EVENTS = ("processed", "dropped", "delivered", "deferred", "bounce", "spam_report")


class Unseen(Exception):
    """SendGrid does not show it to this key; the message is what it answered."""


def ask(path: str) -> Any:
    """The JSON that SendGrid answers to GET `path`. Raises Unseen, and NoAnswer within a check."""
    try:
        status, answer = in_time(lambda: current_client().get(path))
    except Unreachable as error:
        raise Unseen(str(error)) from error
    if status != 200:
        raise Unseen(str(status))
    return answer


def key() -> Check:
    if not settings.SENDGRID_API_KEY:
        return Check("SENDGRID_API_KEY", "warning", "not set: every send is a rehearsal")
    try:
        status, answer = in_time(lambda: current_client().get("/v3/scopes"))
    except Unreachable as error:
        return Check("SENDGRID_API_URL", "error", f"{settings.PROVIDER} cannot be reached: {error}")
    if status != 200:
        return Check(
            "SENDGRID_API_KEY",
            "error",
            f"{settings.PROVIDER} answers {status}: the key is wrong or deleted; create one with the Mail Send scope",
        )
    scopes = answer.get("scopes", []) if isinstance(answer, dict) else []
    if "mail.send" not in scopes:
        return Check("SENDGRID_API_KEY", "error", "the key may not send; give it the Mail Send scope")
    return Check("SENDGRID_API_KEY", "ok", f"{settings.PROVIDER} accepts it, and it may send")


def checks(database: bool) -> Iterator[Check]:
    """All but the key itself. `database`: our own readers can be looked at."""
    yield from senders()
    if database:
        yield _seen("credits", credits, "user.credits.read")
    seen = _seen("webhook", webhook, "user.webhooks.event.settings.read")
    yield seen
    # Known without SendGrid; where its settings are seen and wrong, that check says what to set.
    if seen.state == "warning" and not settings.SENDGRID_WEBHOOK_KEYS:
        yield Check(
            "SENDGRID_WEBHOOK_PUBLIC_KEY",
            "warning",
            "not set: every event is refused, so bounces and complaints are never recorded; copy the key from "
            "Settings, Mail Settings, Event Webhook at SendGrid",
        )
    if database:
        from mailer.cli.doctor.suppressions import at_a_glance

        yield _seen("suppressions", at_a_glance, "suppression.read")


def _seen(name: str, look: Callable[[], Check], scope: str) -> Check:
    try:
        return guarded(name, look, silence="warning")
    except Unseen as why:
        return Check(name, "warning", f"cannot be seen with this key ({why}); the scope {scope} shows it")


# -------------------------------------------------------------- senders


def senders() -> Iterator[Check]:
    """One for each address that a newsletter comes from."""
    try:
        with patiently():
            single, authenticated = _verified_addresses(), _authenticated_domains()
    except NoAnswer as why:
        yield Check("senders", "warning", str(why))
        return
    for email in sorted({newsletter.from_email for newsletter in settings.NEWSLETTERS.values()}):
        yield _sender(email, single, authenticated)


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


def _verified_addresses() -> set[str] | None:
    try:
        found = _list(ask("/v3/verified_senders?limit=200"), "results")
    except Unseen:
        return None
    return {str(one.get("from_email", "")).lower() for one in found if one.get("verified")}


def _authenticated_domains() -> dict[str, bool] | None:
    """Domain → whether its records were found valid."""
    try:
        found = _list(ask("/v3/whitelabel/domains?limit=200"), "")
    except Unseen:
        return None
    domains: dict[str, bool] = {}
    for one in found:
        domain = str(one.get("domain", "")).lower()
        domains[domain] = domains.get(domain, False) or bool(one.get("valid"))
    return domains


def _list(answer: Any, under: str) -> list[dict[str, Any]]:
    found = answer.get(under) if under and isinstance(answer, dict) else answer
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


# -------------------------------------------------------------- credits


def credits_left() -> int:
    """How many mails the plan still takes. Raises Unseen."""
    answer = ask("/v3/user/credits")
    left = answer.get("remain") if isinstance(answer, dict) else None
    if not isinstance(left, int):
        raise Unseen("the answer has no number")
    return left


def credits() -> Check:
    left = credits_left()
    label, readers = _largest_audience()
    words = f"{counted(left, 'email')} left, {label} has {counted(readers, 'reader')}"
    if left < readers:
        return Check("credits", "warning", f"{words}: the rest would be refused; upgrade the plan before sending")
    return Check("credits", "ok", words)


def _largest_audience() -> tuple[str, int]:
    from subscribers.models import Subscription

    audiences = [
        (Subscription.objects.deliverable().filter(newsletter=label).count(), label) for label in settings.NEWSLETTERS
    ]
    readers, label = max(audiences, default=(0, "no newsletter"))
    return label, readers


# -------------------------------------------------------------- webhook


def webhook() -> Check:
    """Whether what becomes of each mail is told to us, signed."""
    url = f"{settings.BASE_URL}/webhooks/sendgrid/"
    ours = [one for one in _list(ask("/v3/user/webhooks/event/settings/all"), "webhooks") if _same(one.get("url"), url)]
    if not ours:
        return _webhook_is("warning", f"none points to {url}: bounces and complaints would never be recorded")
    chosen = next((one for one in ours if one.get("enabled")), ours[0])
    if not chosen.get("enabled"):
        return _webhook_is("warning", f"the webhook to {url} is switched off")
    if fault := _fault_of_key(_public_key_of(chosen)):
        return fault
    if missing := [event for event in EVENTS if not chosen.get(event)]:
        return _webhook_is("warning", f"also switch on these events: {', '.join(missing)}")
    return _webhook_is("ok", f"{url} receives all required events, signed")


def _webhook_is(state: str, words: str) -> Check:
    place = "" if state == "ok" else "; see Settings, Mail Settings, Event Webhook at SendGrid"
    return Check("webhook", state, words + place)


def _same(url: Any, ours: str) -> bool:
    return str(url or "").rstrip("/") == ours.rstrip("/")


def _public_key_of(chosen: dict[str, Any]) -> str:
    """Base64; empty when the webhook is not signed."""
    if "public_key" in chosen:
        return str(chosen["public_key"] or "")
    answer = ask(f"/v3/user/webhooks/event/settings/signed/{chosen.get('id', '')}")
    return str(answer.get("public_key") or "") if isinstance(answer, dict) else ""


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
