"""An import by the statement does what the rules say, one person after the other."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
from django.db import transaction
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from subscribers import clock, erasing, optin, optouts, records, signed_links
from subscribers.addresses import AddressError
from subscribers.files import importing, staging
from subscribers.files.csv_records import BadRecord, find_encoding, read_records
from subscribers.files.restricting import Kind, Restriction, restrictions
from subscribers.files.rows import Reading, newcomer
from subscribers.files.voices import BadRow
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.optin import Newcomer, Origin
from subscribers.optouts import OptOut
from tests import readers

pytestmark = pytest.mark.django_db

ORIGIN = Origin(how="import", source="file people.csv", basis="the fair")
STATES = ("active", "pending", "unsubscribed")
REASONS = ("", "erased", "bounce", "manual", "complaint")
NAMES = [f"{letter}@readers.example" for letter in "abcdef"]

HERE = {
    "a stranger": lambda who: None,
    "confirmed": lambda who: readers.confirmed("weekly", who),
    "pending": lambda who: readers.pending("weekly", who),
    "unsubscribed": lambda who: readers.unsubscribed("weekly", who),
    "bounced": lambda who: readers.bounced("weekly", who),
    "of another newsletter": lambda who: readers.confirmed("jianbao", who),
    "pending after leaving": lambda who: Subscription.objects.filter(
        subscriber=readers.unsubscribed("weekly", who)
    ).update(state="pending"),
    "erased": lambda who: readers.confirmed("weekly", who) and erasing.forget(who.email, readers.LINK),
    "complained, unknown": lambda who: optin.suppress(
        signed_links.suppression_hash(who.email), "complaint", readers.LINK
    ),
}

row = st.tuples(
    st.sampled_from([*NAMES, *map(str.upper, NAMES[:3]), "broken@", ""]),
    st.sampled_from([*STATES, "bounced", "complained", "blocked", "perhaps", ""]),
    st.sampled_from(["", "Ada", "a\\\\b", "O'Neill", "李雷"]),
    st.sampled_from(["", "en", "zh-hans", "no code at all"]),
    st.sampled_from(["", "weekly", "jianbao"]),
    st.sampled_from(["", "2024-03-01T10:00:00Z", "yesterday"]),
    st.sampled_from(["", '"']),  # a quotation mark that nobody closes
)


@hypothesis_settings(max_examples=60)
@given(
    st.lists(row, max_size=12),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(HERE))),
    st.sampled_from([1, 2, 1000]),
)
@example([(NAMES[0], "active", "", "", "", "", "")] * 3, {}, 1)
@example([(name, "bounced", "", "", "", "", "") for name in NAMES], dict.fromkeys(NAMES, "confirmed"), 2)
def test_a_file_does_what_its_rows_do_one_by_one(tmp_path, monkeypatch, rows, here, chunk):
    noted: list[OptOut] = []
    monkeypatch.setattr("subscribers.optouts.note", noted.extend)
    monkeypatch.setattr(staging, "CHUNK", chunk)
    path = tmp_path / "people.csv"
    lines = [",".join([*cells[:-2], f"{cells[-1]}{cells[-2]}"]) for cells in rows]
    path.write_text("\n".join(["email,state,name,language,newsletter,confirmed_at", *lines, ""]))
    outcomes = []
    for how in (one_by_one, by_statement):
        with transaction.atomic():
            for email, state in here.items():
                HERE[state](readers.Named("", email))
            noted.clear()
            counts = how(path)
            outcomes.append((counts, held(), sorted((one.hash, one.newsletter, one.reason) for one in noted)))
            transaction.set_rollback(True)
    assert outcomes[0] == outcomes[1]


def by_statement(path: Path) -> dict[str, int]:
    answers = importing.Answers(reject_unknown=True)
    with importing.read(path, "weekly", None, answers) as stage:
        planned = asdict(importing.plan(stage))
        report = asdict(importing.apply(stage, ORIGIN.source, basis=ORIGIN.basis))
    assert {**planned, "rejected_file": report["rejected_file"]} == report, "the plan says what happens"
    counts = Counter({name: count for name, count in report.items() if isinstance(count, int)})
    counts.update(report["new_by_state"])
    return {name: count for name, count in counts.items() if count}


def held() -> list[object]:
    """All that is in the database, but ids and times."""
    known = ("email", "email_key", "suppression_hash", "name", "language")
    wished = ("subscriber__email_key", "newsletter", "state", "list_id", "undoable", "confirmation_tries")
    said = ("subscriber__email_key", "newsletter", "step", "how", "about", "effect", "source", "basis", "claimed")
    return [
        list(Subscriber.objects.order_by("email_key").values_list(*known)),
        list(Subscription.objects.order_by("subscriber__email_key", "newsletter").values_list(*wished)),
        list(Subscription.objects.exclude(confirmation_due=None).values_list("subscriber__email_key", flat=True)),
        sorted(map(repr, Consent.objects.values_list(*said))),
        list(Suppression.objects.order_by("hash").values_list("hash", "reason", "note", "rule")),
    ]


# ---------------------------------------------------------------- the rules, one by one


@dataclass
class Said:
    """All rows that name one address: good ones in the file's order, and of rejected ones line and restriction."""

    good: list[Newcomer] = field(default_factory=list)
    bad: list[tuple[int, Restriction]] = field(default_factory=list)


def one_by_one(path: Path) -> dict[str, int]:
    with importing.read(path, "weekly", None, importing.Answers(reject_unknown=True)) as stage:
        reading = stage.reading
    counts = Counter[str]()
    for said in sorted_out(path, reading, counts).values():
        counts["duplicates"] += max(0, len(said.good) - 1)
        person = merged(said)
        if person is not None:
            become(person, counts)
        elif bars := [line for line, one in said.bad if one.kind == Kind.BARS]:
            counts["kept_out"] += 1
            counts["first_kept_out"] = min(counts["first_kept_out"] or bars[0], *bars)
    return {name: count for name, count in counts.items() if count}


def sorted_out(path: Path, reading: Reading, counts: Counter[str]) -> dict[str, Said]:
    said: dict[str, Said] = {}
    for record in list(read_records(path, find_encoding(path)))[1:]:
        try:
            if isinstance(record, BadRecord):
                raise BadRow(record.reason)
            person = newcomer(record.cells, reading)
            said.setdefault(person.address.key, Said()).good.append(person)
        except (AddressError, BadRow):
            if isinstance(record, BadRecord) or any(cell.strip(" ,;\t|") for cell in record.cells):
                counts["rejected"] += 1
                for one in restrictions(record, reading):
                    said.setdefault(one.address.key, Said()).bad.append((record.line, one))
    return said


def merged(said: Said) -> Newcomer | None:
    """Return who somebody is after all that is said of them: what mails least. None: nobody imports them."""
    good = sorted(said.good, key=lambda row: -STATES.index(row.state))
    bad = sorted(said.bad, key=lambda found: (found[1].kind, -STATES.index(found[1].state), found[0]))
    restricting = [as_newcomer(one) for _, one in bad if one.kind == Kind.RESTRICTS]
    capping = [as_newcomer(one) for _, one in bad if one.kind == Kind.CAPS]
    barred = any(one.kind == Kind.BARS for _, one in bad)
    telling = [*good, *restricting, *capping]
    suppressed = max((row.suppressed for row in telling), key=REASONS.index, default="")
    if not good and not restricting:
        return capping[0]._replace(state="", suppressed=suppressed) if suppressed else None
    least = max(telling, key=lambda row: STATES.index(row.state))  # the first of those
    person = telling[0]._replace(state=least.state, claimed=least.claimed, suppressed=suppressed)
    if not barred or person.state == "unsubscribed":
        return person
    return person._replace(state="unsubscribed") if suppressed else None


def as_newcomer(one: Restriction) -> Newcomer:
    return Newcomer(one.address, one.state, suppressed=one.suppressed, claimed=one.claimed)


def become(person: Newcomer, counts: Counter[str]) -> None:
    hash = signed_links.suppression_hash(person.address.key)
    reason = Suppression.objects.filter(hash=hash).values_list("reason", flat=True).first() or ""
    wish = Subscription.objects.filter(subscriber__email_key=person.address.key, newsletter="weekly").first()
    if person.state:
        what = enter(person, wish, reason)
        counts[what] += 1
        if what == "new":
            counts["suppressed" if person.suppressed else person.state] += 1
    if person.suppressed and REASONS.index(person.suppressed) > REASONS.index(reason):
        counts["newly_suppressed"] += 1
        optin.suppress(hash, person.suppressed, ORIGIN)


def enter(person: Newcomer, wish: Subscription | None, reason: str) -> str:
    """Subscribe or unsubscribe somebody as the file says, if it may; return the name of the count."""
    if wish is None:
        if reason and (reason == "erased" or not person.suppressed):
            return "suppressed"
        subscribe(person)
        return "new"
    if person.state == "unsubscribed" and wish.state != "unsubscribed":
        optin.unsubscribe(wish.subscriber.public_id, "weekly", ORIGIN)
        claim(wish.subscriber, person)
        return "left"
    if person.state != "unsubscribed" and optin.those_who_left("weekly", [wish.subscriber_id]):
        return "stay_unsubscribed"
    if wish.state == "pending" and person.state == "active" and not person.suppressed:
        return "stay_pending"
    return "unchanged"


def subscribe(person: Newcomer) -> None:
    now = clock.now()
    subscriber = records.subscriber(person.address, person.name, person.language, now)
    Subscription.objects.create(subscriber=subscriber, newsletter="weekly", state=person.state)
    if person.state == "unsubscribed":
        optouts.note([OptOut(subscriber.suppression_hash, "weekly", optouts.UNSUBSCRIBED, now)])
    step = Consent.Step.UNSUBSCRIBED if person.state == "unsubscribed" else Consent.Step.IMPORTED
    records.record(subscriber, "weekly", step, ORIGIN, now)
    claim(subscriber, person)


def claim(subscriber: Subscriber, person: Newcomer) -> None:
    step = Consent.objects.filter(subscriber=subscriber).latest("pk")
    Consent.objects.filter(pk=step.pk).update(claimed=json.loads(person.claimed) if person.claimed else None)
