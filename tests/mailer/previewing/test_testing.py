"""The preview's button answers with a sentence, whatever happened to the test."""

from dataclasses import replace

import pytest

from mailer.previewing import testing
from mailer.previewing.testing import send_test
from mailer.publishing.errors import Refused
from mailer.publishing.testing import Outcome
from tests.readers import ADA


def test_a_wrong_address_is_answered_before_anything_is_sent(desk):
    answered = send_test(desk().draw(), ["nobody"])
    assert (answered.accepted, "'nobody'" in answered.detail) == (False, True)


def test_what_is_refused_and_what_the_provider_refuses_are_answered_alike(desk, monkeypatch):
    def refuse(*_):
        raise Refused("ada may not be emailed")

    monkeypatch.setattr(testing, "send", refuse)
    monkeypatch.setattr(testing, "bring_up_to_date", lambda: None)
    assert send_test(desk().draw(), [ADA.email]).detail == "ada may not be emailed"
    monkeypatch.setattr(testing, "send", lambda *_: Outcome(False, "401"))
    assert send_test(desk().draw(), [ADA.email]).detail == "401"


def test_an_accepted_test_says_for_whom(desk, monkeypatch):
    monkeypatch.setattr(testing, "send", lambda *_: Outcome(True, ""))
    monkeypatch.setattr(testing, "bring_up_to_date", lambda: None)
    answered = send_test(desk().draw(), [ADA.email])
    assert (answered.accepted, ADA.email in answered.detail) == (True, True)


@pytest.mark.parametrize(("why", "accepted"), [("", False), ("answered 404", True)])
def test_a_test_waits_for_images_that_are_being_copied_and_not_for_those_that_failed(desk, monkeypatch, why, accepted):
    monkeypatch.setattr(testing, "send", lambda *_: Outcome(True, ""))
    monkeypatch.setattr(testing, "bring_up_to_date", lambda: None)
    draft = desk().draw()
    waiting = replace(draft, rendered=replace(draft.rendered, uncopied={"https://a.example/b.png": why}))

    assert send_test(waiting, [ADA.email]).accepted is accepted
