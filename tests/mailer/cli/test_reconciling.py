# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""`mailer reconcile`, and what `mailer status` says about unknown requests, as an editor types them."""

import io
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from mailer.models import Attempt, Batch, Installation
from tests import readers
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.listening import LOST, OK, OTHERS, OURS, report_evidence_of, requests
from tests.mailer.sending.outgoing import planned

pytestmark = pytest.mark.django_db(transaction=True)

SLUG = "2026-11-20"
HOUR = timedelta(hours=1, minutes=5)


@pytest.fixture
def lost(settings, api):
    """Make a send with four of six subscribers accepted, two in one request unknown, and no events."""
    settings.MAILER_BATCH_SIZE = 2
    settings.SENDGRID_WEBHOOK_KEYS = OURS
    Installation.objects.update(swept_at=timezone.now())
    readers.crowd(6)
    return requests(planned(), OK, LOST, OK, ago=HOUR)


@pytest.fixture
def heard(lost):
    assert {report_evidence_of(lost[0]), report_evidence_of(lost[2])} == {204}
    return lost


@pytest.fixture
def typing(monkeypatch):
    """Let somebody at the terminal type this: `typing("2")`."""

    def typing(line: str) -> None:
        monkeypatch.setattr("mailer.cli.reconciling.on_terminal", lambda: True)
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))

    return typing


def again() -> int:
    return Attempt.objects.count() - 3


def test_it_says_for_each_request_why_silence_is_not_evidence(run, lost, settings):
    def shown():
        ran = run("reconcile", SLUG)
        assert ran.code == 5
        return ran.out

    assert "no events arrived for other requests around it" in shown()
    assert "2 of them may get it twice; you confirm by typing that number" in shown()
    report_evidence_of(lost[1], OTHERS)
    assert "posts to the event webhook are refused" in shown()
    report_evidence_of(lost[0])
    report_evidence_of(lost[2])
    assert "events show that nobody has it" in shown()
    assert "nobody gets it twice" in shown()
    settings.SENDGRID_WEBHOOK_KEYS = ()
    assert "no event webhook is set up" in shown()


def test_a_program_reads_the_reason_and_the_number(run, lost):
    told = json.loads(run("reconcile", SLUG, "--json").out)
    assert told["may_get_it_twice"] == 2
    (one,) = told["unknown_requests"]
    assert (one["subscribers"], one["doubt"]) == (2, "not-heard")
    batch = Batch.objects.get(current_attempt=one["attempt"])
    assert (
        (one["batch"], one["detail"]) == (batch.number, Attempt.objects.get(batch=batch).detail) != (batch.number, "")
    )
    assert json.loads(run("status", SLUG, "--json").out)["unknown_because"] == {"not-heard": 2}


def test_without_evidence_yes_never_suffices(run, lost):
    for options in ([], ["--yes"]):
        refused = run("reconcile", SLUG, "--resend", *options)
        assert refused.code == 4
        assert "--accept-duplicates 2" in refused.err
    assert again() == 0


@pytest.mark.parametrize("options", [[], ["--yes"]])
@pytest.mark.parametrize(("typed", "code"), [("2", 0), ("3", 4), ("", 4), ("y", 4), (SLUG, 4)])
def test_a_person_types_how_many_may_get_it_twice(run, lost, typing, options, typed, code):
    typing(typed)
    ran = run("reconcile", SLUG, "--resend", *options)
    assert ran.code == code
    assert "2 subscribers may get it twice" in ran.err
    assert again() == (code == 0)


@pytest.mark.parametrize("number", [0, 1, 3, 6])
def test_a_program_that_accepts_another_number_is_told_the_right_one(run, lost, number):
    refused = run("reconcile", SLUG, "--resend", "--yes", "--accept-duplicates", number)
    assert (refused.code, "--accept-duplicates 2" in refused.err) == (4, True)
    assert again() == 0


def test_a_program_that_accepts_the_number_goes_on_and_status_says_who_may_have_it_twice(run, lost):
    assert run("reconcile", SLUG, "--resend", "--accept-duplicates", 2).code == 0
    assert again() == 1
    shown = run("status", SLUG).out
    assert "2 subscribers may have it twice" in shown
    listed = run("status").out.split()
    assert ("possibly" in listed, listed[-2]) == (True, "2")


def test_with_evidence_it_is_a_plain_question(run, heard):
    refused = run("reconcile", SLUG, "--resend")
    assert (refused.code, again()) == (4, 0)
    assert run("reconcile", SLUG, "--resend", "--accept-duplicates", 2).code == 4
    assert run("reconcile", SLUG, "--resend", "--yes").code == 0
    assert again() == 1


def test_duplicates_are_accepted_only_for_a_resend(run, lost):
    assert run("reconcile", SLUG, "--assume-sent", "--yes", "--accept-duplicates", 2).code == 2


def test_status_says_what_unknown_readers_wait_for(run, lost):
    assert "2 of them: no events arrived for other requests around it" in run("status", SLUG).out


def test_two_opposite_ways_at_once_are_refused(run, lost):
    refused = run("reconcile", SLUG, "--resend", "--assume-sent", "--yes")
    assert refused.code == 2
    assert "choose one" in refused.err
    assert Attempt.objects.filter(state=Attempt.State.UNKNOWN).count() == 1
