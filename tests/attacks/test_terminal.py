"""Strangers' text in an operator's terminal or spreadsheet does no harm."""

import json
import time

import pytest

from mailer.providers.sendgrid.webhook import parse
from subscribers.addresses import AddressError, clean_name
from subscribers.files.csv_records import formula_safe

# Sets the window's title, writes the clipboard, goes up a line, turns the writing direction.
STEERING = ["\x1b]0;owned\x07", "\x1b]52;c;cm0gLXJm\x07", "a\r\n\x1b[1A", "\x9b2J", "\u202egnp.exe", "a\tb\x08\x7f"]


@pytest.mark.parametrize("words", STEERING)
def test_what_a_provider_says_of_a_bounce_steers_no_terminal(words):
    bounce = {
        "event": "bounce",
        "timestamp": int(time.time()),
        "reason": f"550 {words}",
        "type": words,
        "status": words,
    }
    (event,) = parse(json.dumps([bounce]).encode())
    assert event.details["reason"].startswith("550 ")
    assert all(value.isprintable() for value in event.details.values())


@pytest.mark.parametrize("words", ["=HYPERLINK(1)", "+1", "-1", "@x", "＝1", "\t=1", "\r=1", "\n=1"])
def test_the_text_of_a_bounce_is_never_a_spreadsheet_formula(words):
    bounce = {"event": "bounce", "timestamp": int(time.time()), "reason": words}
    (event,) = parse(json.dumps([bounce]).encode())
    assert formula_safe(event.details["reason"])[0] in "' "


@pytest.mark.parametrize("words", [words for words in STEERING if "\u202e" not in words])
def test_a_name_steers_no_terminal(words):
    try:
        assert clean_name(f"Ada {words}").isprintable()
    except AddressError:
        """Refused is as good."""
