"""`mailer keys`, as an operator types it."""

import io
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from mailer.models import LinkKey
from tests.installing import a_newer_key_signs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("up_to_date")]


@pytest.fixture
def first() -> LinkKey:
    return LinkKey.objects.get()


@pytest.fixture
def answering(monkeypatch):
    """Let somebody at the terminal type this: `answering("y")`."""

    def answering(line: str) -> None:
        monkeypatch.setattr("mailer.cli.terminal.on_terminal", lambda: True)
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))

    return answering


def test_they_are_listed_with_what_they_do_and_never_shown(run, first):
    ran = run("keys", "rotate")
    assert (ran.code, ran.err) == (0, "")
    assert "it signs links from" in ran.out
    told = run("keys").out
    assert told == run("keys", "list").out
    lines = told.splitlines()
    assert lines[0] == f"{first.pk}  made {first.created_at:%Y-%m-%d %H:%M} UTC  signs"
    assert " waits until " in lines[1]
    listed = json.loads(run("keys", "--json").out)
    numbers = LinkKey.objects.order_by("pk").values_list("pk", flat=True)
    assert [(one["number"], one["state"]) for one in listed] == list(zip(numbers, ("signs", "waits"), strict=True))
    assert listed == json.loads(run("keys", "list", "--json").out)
    for key in LinkKey.objects.all():
        assert key.key not in told + ran.out + json.dumps(listed)


def test_a_second_new_key_is_refused_while_one_waits(run, first):
    assert json.loads(run("keys", "rotate", "--json").out)["state"] == "waits"
    ran = run("keys", "rotate")
    assert (ran.code, ran.out) == (1, "")
    assert "was just created" in ran.err


def test_a_key_that_signed_is_retired_only_by_who_agrees_to_break_its_links(run, first, answering):
    a_newer_key_signs()
    ran = run("keys", "retire", first.pk)
    assert ran.code == 4
    assert f"key {first.pk} signed the links in 0 emails to 0 subscribers" in ran.err
    assert "use --break-links to retire it anyway" in ran.err
    assert run("keys", "retire", first.pk, "--break-links").code == 4
    answering("n")
    assert run("keys", "retire", first.pk, "--break-links").code == 4
    assert LinkKey.objects.get(pk=first.pk).key
    answering("y")
    ran = run("keys", "retire", first.pk, "--break-links")
    assert (ran.code, LinkKey.objects.get(pk=first.pk).key) == (0, None)
    assert f"{first.pk}  made {first.created_at:%Y-%m-%d %H:%M} UTC  retired " in run("keys").out


def test_a_script_says_yes_and_reads_what_broke(run, first):
    a_newer_key_signs()
    ran = run("keys", "retire", first.pk, "--break-links", "--yes", "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["state"], told["broken"]["mails"]) == (0, "retired", 0)
    assert run("keys", "retire", first.pk).code == 0  # it is


def test_a_new_key_that_has_not_signed_goes_without_a_question(run, first):
    new = json.loads(run("keys", "rotate", "--json").out)["number"]
    assert run("keys", "retire", new).code == 0
    LinkKey.objects.filter(pk=new).update(retired_at=timezone.now() - timedelta(days=1))
    assert json.loads(run("keys", "--json").out)[0]["state"] == "signs"


def test_what_cannot_be_retired_is_said_with_what_to_do(run, first):
    ran = run("keys", "retire", first.pk, "--break-links", "--yes")
    assert (ran.code, ran.out) == (1, "")
    assert "`mailer keys rotate` creates a new one" in ran.err
    ran = run("keys", "retire", 999)
    assert (ran.code, ran.out) == (2, "")
    assert "there is no key 999; `mailer keys` lists all keys" in ran.err
