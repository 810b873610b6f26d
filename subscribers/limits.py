"""How much one address, one network and the whole world may ask of us. Counted in Consent and Letter, so that it holds
for all processes together. Nothing here ever limits leaving."""

from datetime import datetime, timedelta

from django.db.models import Max
from django.dispatch import Signal

from subscribers.models import Consent, Letter

# One address gets at most this many mails with a link, to confirm or from a page, whoever asks for them.
LINKS_A_DAY = 3
CONFIRMATION_PAUSE = timedelta(minutes=10)
# A conference in one room may subscribe; a script may not.
REQUESTS_A_NETWORK_HOUR = 60
# More than this in an hour is an attack with many addresses, and our mail would be the weapon.
REQUESTS_AN_HOUR = 1000
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

limited = Signal()  # with `reason`; whoever keeps statistics listens

NO_MAIL = ", no mail"  # ends `Consent.how` of a request that was not answered by mail


class TooManyRequests(Exception):
    """This network, or everybody together, asked too often within the hour. Nothing was changed."""


def check_network(network: str, now: datetime) -> None:
    """Raise TooManyRequests when this network or the world used up its hour. Says nothing about any address."""
    if not network:
        return
    requests = Consent.objects.filter(step=Consent.Step.REQUESTED, at__gt=now - HOUR)
    if requests.filter(ip=network).count() >= REQUESTS_A_NETWORK_HOUR:
        raise TooManyRequests("network")
    # The newest rows by their key, because an index on the time alone would serve nothing else.
    newest = Consent.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if requests.filter(pk__gt=newest - 10 * REQUESTS_AN_HOUR).exclude(ip="").count() >= REQUESTS_AN_HOUR:
        raise TooManyRequests("everybody")


def confirmations_asked(subscriber_id: int, now: datetime) -> list[datetime]:
    """When confirmation mails to this reader were asked for within a day; for all newsletters."""
    asked = Consent.objects.filter(subscriber_id=subscriber_id, step=Consent.Step.REQUESTED, at__gt=now - DAY)
    return list(asked.exclude(how__endswith=NO_MAIL).values_list("at", flat=True))


def letters_asked(email_key: str, now: datetime) -> list[datetime]:
    """When letters to this address were asked for within a day, by whichever reader."""
    asked = Letter.objects.filter(email_key=email_key, asked_at__gt=now - DAY)
    return list(asked.values_list("asked_at", flat=True))


def mails_asked(subscriber_id: int, email_key: str, now: datetime) -> list[datetime]:
    """When mails with a link, of both kinds, to this reader at this address were asked for within a day."""
    return confirmations_asked(subscriber_id, now) + letters_asked(email_key, now)


def are_few(asked: list[datetime]) -> bool:
    """Whether the day allows one more."""
    return len(asked) < LINKS_A_DAY


def allows_mail(asked: list[datetime], now: datetime) -> bool:
    return are_few(asked) and not any(at > now - CONFIRMATION_PAUSE for at in asked)
