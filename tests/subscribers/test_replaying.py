"""Backups restored in any order: nobody who left is emailed, and nobody loses what they did not leave."""

import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from django.db import transaction
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from subscribers import erasing, optin, optouts, renaming, signed_links
from subscribers.addresses import parse
from subscribers.models import Consent, RenamedNewsletter, Subscriber, Subscription, Suppression
from subscribers.optin import Origin
from subscribers.replaying import forgotten, replay
from tests import readers

TABLES = (Subscriber, Subscription, Consent, Suppression)
NEWSLETTERS = ("weekly", "second")
PEOPLE = (readers.ADA, readers.BEN)
HERE = Origin(how="command")


@pytest.fixture
def database(transactional_db):
    """Let commits be real, because the log of opt-outs follows them."""
    from tests.installing import an_installation

    an_installation()


def back_up():
    return [list(table.objects.order_by("pk")) for table in TABLES]


def put_back(backup) -> None:
    for table in reversed(TABLES):
        table.objects.all().delete()
    for table, rows in zip(TABLES, backup, strict=True):
        table.objects.bulk_create(rows)


def deliverable() -> set[tuple[str, str]]:
    return set(Subscription.objects.deliverable().values_list("subscriber__email", "newsletter"))


def confirmations() -> dict[tuple[str, str], datetime]:
    steps = Consent.objects.filter(step="confirmed").order_by("at")
    return {(email, name): at for email, name, at in steps.values_list("subscriber__email", "newsletter", "at")}


def test_whom_an_older_backup_does_not_know_keeps_the_other_newsletter_in_the_next_one(
    database, settings, tmp_path, clock
):
    settings.OPTOUTS = tmp_path / "optouts.log"
    older = back_up()
    for newsletter in NEWSLETTERS:
        anna = readers.confirmed(newsletter)
    newer = back_up()
    clock.forward(hours=1)
    optin.unsubscribe(anna.public_id, "weekly", HERE)
    log = settings.OPTOUTS.read_bytes()

    put_back(older)
    replay(settings.OPTOUTS)
    assert settings.OPTOUTS.read_bytes() == log, "it says what she did, and no more"
    with pytest.raises(optin.Refused):
        optin.add_active(parse(readers.ADA.email), "weekly", origin=HERE)
    clock.forward(hours=1)
    put_back(newer)
    replay(settings.OPTOUTS)

    assert deliverable() == {(readers.ADA.email, "second")}
    assert [step for step, _ in readers.history_of(anna)[:4]] == ["requested", "confirmed"] * 2
    assert readers.suppression_of(anna) is None


def test_whom_the_backup_does_not_know_stays_out_of_what_they_left_when_they_join_another(
    database, settings, tmp_path, clock
):
    settings.OPTOUTS = tmp_path / "optouts.log"
    older = back_up()
    for newsletter in ("weekly", "monthly"):
        anna = readers.confirmed(newsletter)
        optin.unsubscribe(anna.public_id, newsletter, HERE)
    put_back(older)
    assert replay(settings.OPTOUTS).left == 2
    assert replay(settings.OPTOUTS).left == 0

    clock.forward(days=1)
    anna = readers.confirmed("second")
    for newsletter in ("weekly", "monthly"):
        with pytest.raises(optin.Refused):
            optin.add_active(parse(readers.ADA.email), newsletter, origin=HERE)
    assert deliverable() == {(readers.ADA.email, "second")}
    assert replay(settings.OPTOUTS).left == 0
    clock.forward(days=1)  # an address is not mailed twice at once
    readers.confirmed("weekly")
    assert deliverable() == {(readers.ADA.email, "second"), (readers.ADA.email, "weekly")}, "they may come back"


def test_who_came_back_stays_in_the_newer_backup_when_an_older_one_was_adopted_in_between(
    database, settings, tmp_path, clock
):
    settings.OPTOUTS = tmp_path / "optouts.log"
    for who in PEOPLE:
        readers.confirmed(who=who)
    older = back_up()
    clock.forward(hours=1)
    optin.unsubscribe(Subscriber.objects.get(email=readers.ADA.email).public_id, "weekly", HERE)
    erasing.forget(readers.BEN.email, HERE)
    clock.forward(hours=1)
    for who in PEOPLE:
        readers.confirmed(who=who)
    newer = back_up()

    for backup in (older, newer):
        clock.forward(hours=1)
        put_back(backup)
        replay(settings.OPTOUTS)

    assert deliverable() == {(who.email, "weekly") for who in PEOPLE}


ACTS = st.one_of(
    st.tuples(st.sampled_from(["join", "leave"]), st.sampled_from(PEOPLE), st.sampled_from(NEWSLETTERS)),
    st.tuples(st.sampled_from(["erase", "bounce", "complaint", "manual"]), st.sampled_from(PEOPLE), st.none()),
    st.tuples(st.just("back up"), st.none(), st.none()),
    st.tuples(st.just("put back"), st.integers(0, 3), st.none()),
)
ANNA = [
    ("back up", None, None),
    *(("join", readers.ADA, newsletter) for newsletter in NEWSLETTERS),
    ("back up", None, None),
    ("leave", readers.ADA, "weekly"),
    ("put back", 0, None),
    ("put back", 1, None),
]
# Confirming any newsletter lifts a bounce, for each newsletter.
BOUNCED = [
    ("join", readers.ADA, "weekly"),
    ("bounce", readers.ADA, None),
    ("join", readers.ADA, "second"),
    ("back up", None, None),
]


class Restorations:
    """An installation, with when each subscriber last left each newsletter, and when they bounced."""

    def __init__(self, log: Path, clock) -> None:
        self.log, self.clock = log, clock
        self.backups = [back_up()]
        self.left: dict[tuple[str, str], datetime] = {}
        self.bounced: dict[str, datetime] = {}

    def act(self, what: str, who, newsletter: str | None) -> None:
        self.clock.forward(days=8)  # so that a confirmation lifts a bounce
        if what == "back up":
            self.backups.append(back_up())
        elif what == "put back":
            self.adopt(self.backups[who % len(self.backups)])
        elif what == "join":
            readers.confirmed(newsletter, who)
        else:
            self.leave(what, who, newsletter)

    def leave(self, what: str, who, newsletter: str | None) -> None:
        reader = Subscriber.objects.filter(email=who.email).first()
        hash = signed_links.suppression_hash(who.email)
        if what == "leave":
            happened = reader is not None and optin.unsubscribe(reader.public_id, newsletter, HERE)
        elif what == "erase":
            happened = erasing.forget(who.email, HERE)
        else:
            happened = optin.suppress(hash, what, HERE)
        if happened and what == "bounce":
            self.bounced[who.email] = self.clock.now
        elif happened:
            for name in [newsletter] if newsletter else NEWSLETTERS:
                self.left[who.email, name] = self.clock.now

    def adopt(self, backup) -> None:
        put_back(backup)
        confirmed = confirmations()
        came = {(email, at) for (email, _), at in confirmed.items()}
        out = {email for email, at in self.bounced.items() if not any(who == email and then > at for who, then in came)}
        here = {wish for wish in deliverable() if wish[0] not in out}
        expected = {wish for wish in here if wish not in self.left or confirmed[wish] > self.left[wish]}
        replay(self.log)
        assert deliverable() == expected
        assert {wish: confirmations().get(wish) for wish in expected} == {wish: confirmed[wish] for wish in expected}


@given(acts=st.lists(ACTS, max_size=14))
@example(acts=ANNA)
@example(acts=BOUNCED)
@hypothesis_settings(max_examples=60)
def test_whichever_backups_are_put_back_who_left_stays_out_and_who_stayed_stays(database, settings, clock, acts):
    put_back([[] for _ in TABLES])
    with tempfile.TemporaryDirectory() as folder:
        settings.OPTOUTS = Path(folder) / "optouts.log"
        installation = Restorations(settings.OPTOUTS, clock)
        for act in acts:
            installation.act(*act)
        for backup in installation.backups:
            clock.forward(days=8)
            installation.adopt(backup)


# ---------------------------------------------------------------- backups from before a rename


@pytest.fixture
def restored(database, settings, tmp_path, clock):
    """Let Ada leave the newsletter after it was renamed, and restore a backup from before; Ben stays in both."""
    settings.OPTOUTS = tmp_path / "optouts.log"
    ada, ben = readers.confirmed(), readers.confirmed("weekly", readers.BEN)
    backup = back_up()
    clock.forward(hours=1)
    renaming.rename("weekly", "boards", "")
    optin.unsubscribe(ada.public_id, "boards", readers.LINK)
    clock.forward(hours=1)
    put_back(backup)
    RenamedNewsletter.objects.all().delete()
    return ada, ben


def test_who_left_the_renamed_newsletter_leaves_it_by_its_former_label_too(restored, settings):
    ada, ben = restored
    assert forgotten(settings.OPTOUTS) == 1
    assert replay(settings.OPTOUTS).left == 1
    assert forgotten(settings.OPTOUTS) == 0
    assert (readers.state_of(ada), readers.state_of(ben)) == ("unsubscribed", "active")
    renaming.rename("weekly", "third", "")
    assert (readers.state_of(ada, "third"), readers.state_of(ben, "third")) == ("unsubscribed", "active")
    assert replay(settings.OPTOUTS).left == 0


def test_who_signed_up_under_the_new_label_hides_nobody_who_left_it(restored, settings):
    ada, _ = restored
    readers.pending("boards", readers.CLEO)
    replay(settings.OPTOUTS)
    assert readers.state_of(ada) == "unsubscribed"
    with transaction.atomic():
        renaming.rename("weekly", "boards", "")
    assert readers.state_of(ada, "boards") == "unsubscribed"


def test_an_older_version_reads_past_a_rename_in_the_log(restored, settings):
    (line, _) = optouts.read(settings.OPTOUTS)
    assert line.hash  # else it would count as unreadable
    assert line.reason not in (*optin.STRENGTH, optouts.UNSUBSCRIBED)
    assert optouts.renames(settings.OPTOUTS) == [("weekly", "boards")]
