"""/.well-known/security.txt exists if the operator set a contact, and follows RFC 9116."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from mailer.config.environment import SettingError, contact

PATH = "/.well-known/security.txt"


def fields(text: str) -> dict[str, str]:
    assert re.fullmatch(r"(?:[A-Z][A-Za-z-]+: [ -~]+\n)+", text), "a line each, and nothing that is not ASCII"
    return dict(line.split(": ", 1) for line in text.splitlines())


def test_it_is_not_there_until_somebody_is_named(client: Client):
    assert client.get(PATH).status_code == 404


def test_it_names_the_contact_and_until_when_that_holds(client: Client, settings):
    settings.MAILER_SECURITY_CONTACT = "mailto:security@example.com"
    settings.BASE_URL = "https://news.example.com"
    answer = client.get(PATH)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    said = fields(answer.content.decode())
    left = datetime.fromisoformat(said.pop("Expires")) - datetime.now(UTC)
    assert timedelta(days=88) < left < timedelta(days=366)
    assert said == {
        "Contact": "mailto:security@example.com",
        "Preferred-Languages": "en, zh-Hans",
        "Canonical": f"https://news.example.com{PATH}",
    }


def test_it_is_read_only_and_sets_no_cookie(client: Client, settings):
    settings.MAILER_SECURITY_CONTACT = "https://example.com/report"
    assert client.post(PATH, {"a": "b"}).status_code == 405
    assert client.head(PATH).status_code == 200
    assert not client.get(PATH).cookies


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("security@example.com", "mailto:security@example.com"),
        ("mailto:security+mailer@example.com", "mailto:security+mailer@example.com"),
        ("https://example.com/report?about=mailer", "https://example.com/report?about=mailer"),
        ("https://example.com", "https://example.com"),
        ("tel:+49-30-123456", "tel:+49-30-123456"),
    ],
)
def test_what_people_can_write_to_is_taken(monkeypatch, given, kept):
    monkeypatch.setenv("MAILER_SECURITY_CONTACT", given)
    assert contact("MAILER_SECURITY_CONTACT") == kept


@pytest.mark.parametrize(
    "given",
    [
        *("security", "mailto:", "mailto:security", "http://example.com/report", "https://", "https:///report"),
        *("tel:110", "javascript:alert(1)", "security@example.com, boss@example.com", "Ada <ada@example.com>"),
        *("security@example.com\nExpires: never", "https://example.com/a\r\nb", "security@exämple.com", "a\x85@b.com"),
    ],
)
def test_what_nobody_could_write_to_stops_the_start_and_is_named(monkeypatch, given):
    monkeypatch.setenv("MAILER_SECURITY_CONTACT", given)
    with pytest.raises(SettingError, match=r"MAILER_SECURITY_CONTACT is .*give an email address"):
        contact("MAILER_SECURITY_CONTACT")
