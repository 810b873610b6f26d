"""Many who join, confirm, leave and are erased at the same moment: one subscriber, one email, no deadlock."""

import threading

import pytest
from django.db import connection, connections
from django.utils import timezone

from subscribers import changing, clicks, erasing, optin, undoing
from subscribers.addresses import parse
from subscribers.journal import ALL, Leaving
from subscribers.models import Letter, Subscriber, Subscription
from subscribers.optin import Answer, Origin, Request
from tests import readers
from tests.readers import ADA, FORM, LINK

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = parse(ADA.email)
COMMAND = Origin(how="command", source="asked at the fair")


def ask() -> Request:
    return optin.subscribe(ADDRESS, "weekly", origin=Origin(how="form", ip=FORM.ip), typed=readers.typed())


def test_twenty_requests_at_once_make_one_reader_and_one_mail():
    answers: list[Answer] = []
    errors = at_once(20, lambda number: answers.append(ask().answer))
    assert not errors
    assert Subscriber.objects.count() == Subscription.objects.count() == 1
    assert answers.count(Answer.MAIL_DUE) == 1
    assert len(answers) == 20


def test_asking_confirming_leaving_suppressing_and_erasing_at_once_never_deadlock():
    reader = readers.pending(who=ADA)
    steps = [
        lambda: ask(),
        lambda: optin.confirm(reader.public_id, "weekly", LINK),
        lambda: optin.unsubscribe(reader.public_id, "weekly", Origin(how="one-click")),
        lambda: optin.suppress(reader.suppression_hash, "bounce", Origin(how="event")),
    ]
    assert not at_once(24, lambda number: steps[number % 4]())
    assert readers.suppression_of(reader) == "bounce"
    assert readers.history_of(reader).count(("unsubscribed", "one-click")) <= 1
    steps.append(lambda: erasing.forget(ADDRESS.key, COMMAND))
    assert not at_once(25, lambda number: steps[number % 5]())
    assert readers.suppression_of(reader) == "bounce"


def test_many_readers_who_name_one_strangers_address_at_once_make_one_letter():
    people = readers.crowd(8)
    victim = parse("victim@elsewhere.example")
    letters = []
    assert not at_once(
        8, lambda number: letters.append(changing.ask_to_move(people[number].public_id, "weekly", victim, LINK))
    )
    assert sum(letter is not None for letter in letters) == 1


def test_moving_leaving_undoing_and_erasing_at_once_never_deadlock():
    reader = readers.confirmed(who=ADA)
    readers.confirmed("jianbao", ADA)
    readers.pending("another", ADA)
    changing.ask_to_move(reader.public_id, "weekly", parse("ada@new.example"), LINK)
    letter = Letter.objects.get().public_id
    left = optin.leave(reader.public_id, "jianbao", Origin(how="page"))
    steps = [
        lambda: changing.move(letter, LINK),
        lambda: optin.leave(reader.public_id, "weekly", Origin(how="one-click")),
        lambda: undoing.undo(reader.public_id, "jianbao", str(left.leaving), LINK),
        lambda: clicks.leave_all([Leaving(reader.public_id, ALL, "preferences", timezone.now())]),
        lambda: optin.suppress(reader.suppression_hash, "bounce", Origin(how="event")),
    ]
    assert not at_once(25, lambda number: steps[number % 5]())
    reader.refresh_from_db()
    assert readers.state_of(reader) == "unsubscribed", "whether the click came before the move or after it"
    steps.append(lambda: erasing.forget(reader.email_key, COMMAND))
    assert not at_once(24, lambda number: steps[number % 6]())


def at_once(count: int, act) -> list[BaseException]:
    errors: list[BaseException] = []
    together = threading.Barrier(count, timeout=60)

    def run(number: int) -> None:
        try:
            together.wait()
            act(number)
        except BaseException as error:  # noqa: BLE001 — the test looks at all of them
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.ensure_connection()
    return errors
