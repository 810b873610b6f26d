"""The subscribers of all tests, one for each state, created as the product creates them.

Ada confirmed, Ben has not confirmed yet, Cleo left, Dora confirmed and then her address bounced.
"""

import secrets
from dataclasses import dataclass

from subscribers import changing, clock, limits, optin, records, signed_links
from subscribers.addresses import parse
from subscribers.models import Consent, Letter, MailRequest, Subscriber, Subscription, Suppression
from subscribers.optin import Origin

FORM = Origin(
    how="form",
    source="https://news.example.com/subscribe/",
    wording="I want to get The Weekly by mail.",
    wording_version="1",
    language="en",
    ip="192.0.2.0/24",
)
LINK = Origin(how="link")


@dataclass(frozen=True)
class Named:
    name: str
    email: str


ADA = Named("Ada", "ada@readers.example")
BEN = Named("Ben", "ben@readers.example")
CLEO = Named("Cleo", "cleo@readers.example")
DORA = Named("Dora", "dora@readers.example")


def typed() -> limits.Typed:
    """Return a fresh form, filled in, with all the proof of work that any network may be asked for."""
    return limits.Typed(secrets.token_hex(), limits.Effort.SOLVED)


def confirmed(newsletter: str = "weekly", who: Named = ADA) -> Subscriber:
    reader = pending(newsletter, who)
    optin.confirm(reader.public_id, newsletter, LINK)
    return reader


def pending(newsletter: str = "weekly", who: Named = BEN) -> Subscriber:
    """Sign up, even somebody who was just emailed for another newsletter."""
    request = optin.subscribe(parse(who.email), newsletter, name=who.name, origin=FORM, typed=typed())
    if not request.subscription_id:
        a_day_later()
        request = optin.subscribe(parse(who.email), newsletter, name=who.name, origin=FORM, typed=typed())
    return Subscriber.objects.get(subscriptions=request.subscription_id)


def unsubscribed(newsletter: str = "weekly", who: Named = CLEO) -> Subscriber:
    reader = confirmed(newsletter, who)
    optin.unsubscribe(reader.public_id, newsletter, Origin(how="one-click"))
    return reader


def bounced(newsletter: str = "weekly", who: Named = DORA) -> Subscriber:
    reader = confirmed(newsletter, who)
    optin.suppress(reader.suppression_hash, Suppression.Reason.BOUNCE, Origin(how="event"))
    return reader


def move(reader: Subscriber, email: str) -> changing.Moved:
    """Ask for another address as this subscriber, and press the button in the email that went there."""
    reader.refresh_from_db()
    a_day_later()
    changing.ask_to_move(reader.public_id, "weekly", parse(email), LINK)
    moved = changing.move(Letter.objects.latest("pk").public_id, LINK)
    reader.refresh_from_db()
    return moved


def a_day_later() -> None:
    """Let mailboxes that got an email get another."""
    MailRequest.objects.all().delete()


def everybody(newsletter: str = "weekly") -> dict[str, Subscriber]:
    """Return one subscriber of each state, by state."""
    makers = (confirmed, pending, unsubscribed, bounced)
    return {maker.__name__: maker(newsletter) for maker in makers}


def crowd(count: int, newsletter: str = "weekly", domain: str = "readers.example") -> list[Subscriber]:
    """Return confirmed subscribers reader0001@readers.example and so on, in order."""
    names = [Named("", f"reader{number:04}@{domain}") for number in range(1, count + 1)]
    return imported(newsletter, *((who, "active", "") for who in names))


def imported(newsletter: str, *people: tuple[Named, str, str], language: str = "") -> list[Subscriber]:
    """Return subscribers who came with a file: of each the name, the state, and what the file said of their consent."""
    now = clock.now()
    subscribers = []
    for who, _, _ in people:
        key = parse(who.email).key
        hash = signed_links.suppression_hash(key)
        new = Subscriber(email=who.email, email_key=key, suppression_hash=hash, name=who.name, language=language)
        subscribers.append(new)
    Subscriber.objects.bulk_create(subscribers)
    came = list(zip(subscribers, people, strict=True))
    Subscription.objects.bulk_create(
        Subscription(subscriber=one, newsletter=newsletter, state=state, created_at=now, changed_at=now)
        for one, (_, state, _) in came
    )
    step = {"unsubscribed": Consent.Step.UNSUBSCRIBED}
    steps = [(one.pk, step.get(state, Consent.Step.IMPORTED), said) for one, (_, state, said) in came]
    records.record_all(steps, newsletter, Origin(how="import", source="tests"), now)
    return subscribers


def state_of(reader: Subscriber, newsletter: str = "weekly") -> str:
    return Subscription.objects.get(subscriber=reader, newsletter=newsletter).state


def history_of(reader: Subscriber) -> list[tuple[str, str]]:
    """Return what the subscriber did and how, oldest first."""
    return list(Consent.objects.filter(subscriber=reader).order_by("pk").values_list("step", "how"))


def suppression_of(reader: Subscriber) -> str | None:
    found = Suppression.objects.filter(hash=signed_links.suppression_hash(reader.email_key)).first()
    return found.reason if found else None
