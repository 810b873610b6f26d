"""What scanners, scripts, thieves of links and friends with a forwarded email try."""

import re

import pytest
from django.test import Client

from subscribers import signed_links, tokens
from subscribers.mail import confirmations
from subscribers.models import Consent, Letter, Subscriber, Subscription
from tests import readers
from tests.installing import a_newer_key_signs
from tests.readers import ADA, BEN, CLEO
from tests.subscribers.paths import data_path, every_path, everything, leave_path, path_of, preferences_path
from tests.subscribers.web.test_views import form_time

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hints(hints):
    return hints


def token_of(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


@pytest.mark.slow
def test_a_scanner_that_opens_every_link_of_every_mail_changes_nothing(client):
    """It opens 300 issues and confirmations, the emails with links, and every link on the pages behind them."""
    crowd = readers.crowd(300)
    paths = [leave_path(reader) for reader in crowd]
    paths += [path_of(signed_links.confirm_url(reader.public_id, "weekly")) for reader in crowd]
    paths += every_path(readers.pending()).values()
    before = everything()
    seen = set(paths)
    for path in paths:
        assert client.head(path).status_code == 200
        page = client.get(path).content.decode()
        further = set(re.findall(r'(?:href|action)="(/[^"]*)"', page)) - seen
        seen |= further
        assert all(client.get(one).status_code in (200, 404) for one in further if "/preferences/" in one)
    assert everything() == before


def test_each_token_serves_only_its_own_purpose(client):
    reader = readers.confirmed()
    paths = every_path(reader)
    before = everything()
    for door, path in paths.items():
        for purpose, other in paths.items():
            if purpose != door:
                assert client.post(path.replace(token_of(path), token_of(other)), {"do": "save"}).status_code == 404
    assert everything() == before


def test_a_damaged_token_opens_nothing(client):
    reader = readers.confirmed()
    paths = every_path(reader)
    before = everything()
    for path in paths.values():
        token = token_of(path)
        # Every letter of one token, a few of the others: what they say in front of the signature is alike.
        places = range(len(token)) if path.startswith("/preferences/data/") else (0, 22, len(token) - 1)
        wrong = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in places]
        wrong += [token[:-1], token[1:], token + "A", "=" + token, token.upper(), token[:40]]
        for one in wrong:
            answer = client.post(path.replace(token, one), {"do": "delete", "sure": "yes"})
            assert answer.status_code == 404, one
    assert everything() == before


def test_ids_and_addresses_without_a_signature_open_nothing(client):
    reader = readers.confirmed()
    before = everything()
    for name in (str(reader.pk), str(reader.public_id), reader.public_id.hex, ADA.email, reader.suppression_hash):
        for door in (
            "confirm",
            "unsubscribe",
            "unsubscribe/undo",
            "preferences",
            "preferences/data",
            "preferences/address",
        ):
            for method in (client.get, client.post):
                assert method(f"/{door}/{name}/").status_code == 404
    assert everything() == before


def test_a_token_of_another_installation_opens_nothing(client):
    reader = readers.confirmed()
    for purpose, path in every_path(reader).items():
        forged = tokens.make(purpose, reader.public_id, "weekly", b"k" * 32)
        assert client.post(path.replace(token_of(path), forged)).status_code == 404


def test_links_under_an_older_key_keep_working_and_new_ones_use_the_newest(client):
    reader = readers.confirmed()
    old, preferences = leave_path(reader), preferences_path(reader)
    a_newer_key_signs()
    assert client.get(preferences).status_code == 200
    assert token_of(leave_path(reader)) != token_of(old)
    assert client.post(old).status_code == 200
    assert readers.state_of(reader) == "unsubscribed"


def test_a_friend_with_a_forwarded_mail_learns_and_changes_nothing_that_is_only_its_readers(client):
    """They can unsubscribe the subscriber, as with every newsletter, and cause emails to them."""
    reader = readers.confirmed()
    page = client.get(leave_path(reader)).content.decode()
    preferences = re.search(r'href="(/preferences/[^"]+)"', page)[1]
    for fields in (
        {"do": "rename", "name": "Eve"},
        {"do": "move", "email": "eve@evil.example"},
        {"do": "export"},
        {"do": "delete", "sure": "yes"},
        {"do": "link", "email": "eve@evil.example"},
        {"do": "nonsense"},
    ):
        answer = client.post(preferences, fields)
        assert not re.search(rf"{ADA.email}|{ADA.name}|/preferences/data/", answer.content.decode())
    ada = Subscriber.objects.get()
    assert (ada.email, ada.name) == (ADA.email, ADA.name)
    assert {letter.email for letter in Letter.objects.all()} == {ADA.email}


def test_no_page_leads_or_posts_anywhere_else_whatever_the_request_says(client):
    reader = readers.confirmed()
    evil = {"next": "https://evil.example/", "redirect": "//evil.example", "url": "javascript:alert(1)"}
    for path in every_path(reader).values():
        for answer in (client.get(path, evil), client.post(path, evil, headers={"referer": "https://evil.example/"})):
            assert "Location" not in answer.headers
            assert "evil.example" not in answer.content.decode()
    assert client.get("/subscribe/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "%0d%0a", "\x00", "\u2028"])
def test_no_input_reaches_a_header(client, line_break, mailoutbox):
    bad = f"ada@readers.example{line_break}Bcc: eve@evil.example"
    client.post("/subscribe/", {"email": bad, "form_time": form_time()})
    reader = readers.confirmed()
    client.post(data_path(reader), {"do": "move", "email": bad})
    client.post(data_path(reader), {"do": "rename", "name": f"Ada{line_break}Bcc: eve@evil.example"})
    answer = client.post(preferences_path(reader), {"do": "save", "language": f"en{line_break}X: y"})
    assert "X" not in answer.headers
    assert not Subscriber.objects.exclude(pk=reader.pk).exists()
    assert not Letter.objects.exists()
    assert not re.search(r"[\r\n\0]", Subscriber.objects.get().name)


def test_the_form_is_refused_from_another_site_and_signed_links_need_no_cookie():
    client = Client(enforce_csrf_checks=True)
    reader = readers.confirmed()
    before = everything()
    answer = client.post(
        "/subscribe/", {"email": BEN.email, "form_time": form_time()}, headers={"origin": "https://evil.example"}
    )
    assert "Check your email" not in answer.content.decode()
    assert everything() == before
    assert client.post(preferences_path(reader), {"do": "leave"}).status_code == 200
    assert readers.state_of(reader) == "unsubscribed"


@pytest.mark.slow
def test_a_thousand_posts_for_one_address_from_everywhere_are_one_mail(client, clock, mailoutbox):
    """This is list bombing: many networks, one victim, ten minutes."""
    form = form_time()
    for number in range(1000):
        client.post(
            "/subscribe/", {"email": CLEO.email, "form_time": form}, REMOTE_ADDR=f"10.{number // 250}.{number % 250}.7"
        )
        if number % 100 == 0:
            for due in list(confirmations.due(clock.now)):
                confirmations.send(due)
            clock.forward(seconds=50)
    for due in list(confirmations.due(clock.now)):
        confirmations.send(due)
    assert len(mailoutbox) == 1
    assert Consent.objects.exclude(effect="no mail").count() == 1
    assert Subscription.objects.get().state == "pending"
