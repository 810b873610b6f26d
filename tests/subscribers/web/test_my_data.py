"""The page behind a fresh emailed link: name, address, a copy of the data, deletion; and the new address's link."""

import json
import re

import pytest
from django.core import mail
from django.test import Client

from subscribers import erasing, optin, signed_links
from subscribers.addresses import parse
from subscribers.mail import link_mails
from subscribers.models import Consent, Letter, Subscriber, Subscription, Suppression
from subscribers.replaying import replay
from tests import readers
from tests.installing import a_newer_key_signs
from tests.readers import ADA, BEN, LINK
from tests.subscribers.paths import data_path, everything, leave_path

pytestmark = pytest.mark.django_db
NEW = "ada@new.example"


@pytest.fixture(autouse=True)
def _hints(hints):
    return hints


def asked_to_move(reader: Subscriber, to: str = NEW) -> str:
    """Return the path in the email to the new address; empty if no email went out."""
    readers.a_day_later()
    Client(enforce_csrf_checks=True).post(data_path(reader), {"do": "move", "email": to})
    sent = [link_mails.send(letter.pk) for letter in Letter.objects.exclude(due=None)]
    if not any(sent):
        return ""
    assert mail.outbox[-1].to == [to]
    return re.search(r"http://127\.0\.0\.1:8000(/preferences/address/[\w-]+/)", mail.outbox[-1].body)[1]


def test_after_half_an_hour_it_opens_nothing_and_says_where_to_ask_anew(client, clock):
    reader = readers.confirmed()
    path = data_path(reader)
    clock.forward(minutes=30)
    before = everything()
    for answer in (client.get(path), client.post(path, {"do": "export"}), client.post(path, {"do": "delete"})):
        assert answer.status_code == 410
        assert ADA.email not in answer.content.decode()
    assert everything() == before
    assert (
        client.get(re.search(r'href="(/preferences/[^"]+)"', client.get(path).content.decode())[1]).status_code == 200
    )


def test_the_name_is_changed_and_the_step_kept_without_it(client):
    reader = readers.confirmed()
    client.post(data_path(reader), {"do": "rename", "name": "  Ada   Lovelace "})
    assert Subscriber.objects.get().name == "Ada Lovelace"
    step = Consent.objects.latest("pk")
    assert (step.step, step.how) == ("changed", "mailed link")
    assert step.source == "name changed http://127.0.0.1:8000/preferences/data/…/"
    page = client.post(data_path(reader), {"do": "rename", "name": "x" * 201}).content.decode()
    assert 'aria-describedby="name-error"' in page


def test_the_copy_holds_everything_as_a_file(client):
    reader = readers.confirmed()
    answer = client.post(data_path(reader), {"do": "export"})
    assert answer["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert answer["Cache-Control"] == "no-store"
    held = json.loads(b"".join(answer.streaming_content))
    assert (held["email"], held["name"]) == (ADA.email, ADA.name)
    assert [step["step"] for step in held["history"]] == ["requested", "confirmed", "changed"]
    assert held["history"][0]["wording"] == readers.FORM.wording


def test_deletion_needs_the_box_ticked_and_leaves_the_hash_alone(client):
    reader = readers.confirmed()
    path = data_path(reader)
    assert "Tick this" in client.post(path, {"do": "delete"}).content.decode()
    answers = [client.post(path, {"do": "delete", "sure": "yes"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [model.objects.count() for model in (Subscriber, Subscription, Consent, Letter)] == [0] * 4
    assert readers.suppression_of(reader) == Suppression.Reason.ERASED
    assert client.get(path).status_code == 410
    assert client.post(leave_path(reader)).status_code == 200


# ---------------------------------------------------------------- a new address


def test_the_address_changes_once_it_is_confirmed_there(client):
    reader = readers.confirmed()
    path = asked_to_move(reader)
    before = everything()
    assert client.get(path).status_code == client.head(path).status_code == 200
    assert everything() == before
    old_link = leave_path(reader)
    answers = [Client(enforce_csrf_checks=True).post(path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    moved = Subscriber.objects.get()
    assert (moved.email, moved.email_key) == (NEW, parse(NEW).key)
    assert moved.suppression_hash == signed_links.suppression_hash(parse(NEW).key)
    assert Subscription.objects.deliverable().count() == 1
    assert readers.history_of(reader)[-2:] == [("changed", "link to new address"), ("confirmed", "link to new address")]
    assert not Consent.objects.filter(source__contains=ADA.email).exists()
    client.post(old_link)
    assert readers.state_of(moved) == "unsubscribed"


def test_a_link_that_was_mailed_to_the_old_address_opens_nothing_after_the_change(client, monkeypatch):
    reader = readers.confirmed()
    old = data_path(reader)
    client.post(asked_to_move(reader))
    before = everything()
    answers = [client.get(old), client.post(old, {"do": "export"}), client.post(old, {"do": "delete", "sure": "yes"})]
    assert [answer.status_code for answer in answers] == [410] * 3
    assert everything() == before
    new = data_path(Subscriber.objects.get())
    a_newer_key_signs()
    assert NEW in client.get(new).content.decode()


def test_that_it_is_their_address_already_is_said_beside_the_field(client):
    answer = client.post(data_path(readers.confirmed()), {"do": "move", "email": ADA.email.upper()})
    assert "This is already your address." in answer.content.decode()
    assert Letter.objects.count() == 0


@pytest.mark.parametrize("reason", [Suppression.Reason.COMPLAINT, Suppression.Reason.MANUAL])
def test_nobody_slips_away_from_a_complaint_to_another_address(client, reason):
    reader = readers.confirmed()
    path = asked_to_move(reader)
    optin.suppress(reader.suppression_hash, reason, LINK)
    assert client.post(path).status_code == 409
    assert (Subscriber.objects.get().email, Subscription.objects.deliverable().count()) == (ADA.email, 0)


def test_erasing_forgets_somebody_elses_request_to_move_to_this_address():
    reader = readers.confirmed()
    assert asked_to_move(reader)
    erasing.forget(NEW, LINK)
    assert not Letter.objects.exists()


def test_an_address_given_by_mistake_cannot_take_over_later(client):
    reader = readers.confirmed()
    mistake = asked_to_move(reader, "adda@new.example")
    right = asked_to_move(reader)
    assert client.post(mistake).status_code == 410
    assert client.post(right).status_code == 200
    assert client.post(mistake).status_code == 410
    assert Subscriber.objects.get().email == NEW


def test_an_address_with_a_reader_of_its_own_is_not_taken_over(client, clock):
    reader = readers.confirmed()
    readers.confirmed(who=BEN)
    clock.forward(minutes=10)
    path = asked_to_move(reader, BEN.email)
    assert client.post(path).status_code == 409
    assert Subscriber.objects.filter(email=ADA.email).exists()


def test_the_page_does_not_tell_who_reads_or_who_may_not_be_mailed(client):
    reader = readers.confirmed()
    optin.suppress(signed_links.suppression_hash("gone@new.example"), "complaint", LINK)
    readers.confirmed(who=readers.Named("Guy", "guy@new.example"))
    assert asked_to_move(reader, "gone@new.example") == ""
    answers = [
        client.post(data_path(reader), {"do": "move", "email": f"{name}@new.example"})
        for name in ("gone", "guy", "gus")
    ]
    assert len({answer.content for answer in answers}) == 1


def test_nobody_can_fill_the_mailboxes_of_others_by_it(client):
    reader = readers.confirmed()
    for number in range(20):
        client.post(data_path(reader), {"do": "move", "email": f"victim{number % 2}@new.example"})
    assert Letter.objects.count() == 2
    client.post(data_path(reader), {"do": "move", "email": "third@new.example"})
    client.post(data_path(reader), {"do": "move", "email": "fourth@new.example"})
    assert Letter.objects.count() == 3


@pytest.mark.parametrize("wrong", ["", "ada", "a@b.example\r\nBcc: eve@evil.example", "阿@new.example", "x" * 9000])
def test_an_invalid_address_is_reported_beside_the_field(client, wrong):
    reader = readers.confirmed()
    assert 'id="email-error"' in client.post(data_path(reader), {"do": "move", "email": wrong}).content.decode()
    assert Letter.objects.count() == 0


def test_the_old_address_comes_back_by_confirming_only(client):
    reader = readers.confirmed()
    client.post(asked_to_move(reader))
    assert readers.suppression_of(reader) == Suppression.Reason.ERASED
    assert Suppression.objects.get().erased_at is None, "an address was given up, and nobody erased"
    with pytest.raises(optin.Refused):
        optin.add_active(parse(ADA.email), "weekly", origin=LINK)
    client.post(asked_to_move(Subscriber.objects.get(), ADA.email))
    assert readers.suppression_of(reader) is None
    assert Subscription.objects.deliverable().count() == 1


def test_moving_to_the_address_of_an_erased_reader_keeps_that_step(client):
    readers.confirmed(who=readers.Named("Nell", NEW))
    erasing.forget(parse(NEW).key, LINK)
    reader = readers.confirmed()
    client.post(asked_to_move(reader))
    assert ("erased", "link") in readers.history_of(reader)
    assert not Suppression.objects.exclude(hash=reader.suppression_hash).exists()


def test_a_backup_older_than_the_change_does_not_mail_the_old_address(
    client, tmp_path, settings, django_capture_on_commit_callbacks
):
    settings.OPTOUTS = tmp_path / "optouts.log"
    reader = readers.confirmed()
    path = asked_to_move(reader)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(path)
    as_before = {"email": ADA.email, "email_key": ADA.email, "suppression_hash": reader.suppression_hash}
    Subscriber.objects.update(**as_before)
    Consent.objects.filter(how="link to new address").delete()
    Suppression.objects.all().delete()
    assert Subscription.objects.deliverable().count() == 1
    replay(settings.OPTOUTS)
    assert Subscription.objects.deliverable().count() == 0
