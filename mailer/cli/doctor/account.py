"""Check what the provider says of this account: key, senders, credits, webhook, suppressed addresses.

Keys are made with few scopes on purpose. What a key may not look at is a warning, never an error.
"""

from collections.abc import Callable, Iterator
from functools import partial

from django.conf import settings

from mailer.cli.doctor.check import guarded
from mailer.cli.doctor.suppressions import at_a_glance
from mailer.cli.terminal import counted
from mailer.providers.current import configured_provider
from mailer.providers.protocol import Account, Check, Unseen


def key() -> Check:
    provider = configured_provider()
    if not provider.key():
        return Check(provider.names.key, "warning", "not set: every send is a rehearsal")
    if provider.account is None:
        return Check(provider.names.key, "ok", f"set; {provider.names.provider} cannot be asked about it")
    return provider.account.key()


def checks(database: bool) -> Iterator[Check]:
    """Yield all checks but the key's own. `database`: our own subscribers can be looked at."""
    provider = configured_provider()
    if provider.account is None:
        return
    account = provider.account
    yield from account.senders({newsletter.from_email for newsletter in settings.NEWSLETTERS.values()})
    if database:
        yield _seen("credits", partial(credits, account), account)
    seen = _seen("webhook", partial(account.webhook, events_address()), account)
    yield seen
    # Known without the provider; if its settings are visible and wrong, that check says what to set.
    if seen.state == "warning" and provider.events and not provider.events.keys():
        yield Check(
            provider.names.events,
            "warning",
            "not set: every event is refused, so bounces and complaints are never recorded; copy the key from "
            f"{provider.names.events_page}",
        )
    if database and provider.suppressions:
        yield _seen("suppressions", partial(at_a_glance, provider.suppressions), account)


def events_address() -> str:
    """Return where the provider should post its events."""
    return f"{settings.BASE_URL}/webhooks/{configured_provider().names.path}/"


def _seen(name: str, look: Callable[[], Check], account: Account) -> Check:
    try:
        return guarded(name, look, silence="warning")
    except Unseen as why:
        return Check(name, "warning", f"cannot be seen with this key ({why}); {account.scope(name)} shows it")


def credits(account: Account) -> Check:
    """Check that the plan allows an email to each subscriber of the largest newsletter. Raises Unseen."""
    left = account.credits_left()
    label, subscribers = _largest_audience()
    detail = f"{counted(left, 'email')} left, {label} has {counted(subscribers, 'subscriber')}"
    if left < subscribers:
        return Check("credits", "warning", f"{detail}: the rest would be refused; upgrade the plan before sending")
    return Check("credits", "ok", detail)


def _largest_audience() -> tuple[str, int]:
    from subscribers.models import Subscription

    audiences = [
        (Subscription.objects.deliverable().filter(newsletter=label).count(), label) for label in settings.NEWSLETTERS
    ]
    subscribers, label = max(audiences, default=(0, "no newsletter"))
    return label, subscribers
