"""Each check of the doctor ends in time, whatever does not answer, and says what it was."""

import socket
import threading
import time

import pytest

from mailer.cli.doctor import account, domains, here
from mailer.cli.doctor.check import guarded
from mailer.config import patience
from mailer.config.brokers import Broker
from mailer.config.patience import NoAnswer, in_time, patiently
from mailer.providers.current import configured_provider
from mailer.providers.protocol import Check
from tests.mailer.providers.sendgrid.listeners import silent_server

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 0.3)


def says_so(found: Check, state: str) -> None:
    assert (found.state, found.detail) == (state, "no answer within 0.3 seconds")


def test_a_provider_that_says_nothing(settings):
    with silent_server() as where:
        settings.SENDGRID_API_KEY, settings.SENDGRID_API_URL = "SG.key", f"http://{where}"
        says_so(guarded("SENDGRID_API_URL", account.key), "error")
        asked = configured_provider().account
        says_so(account._seen("webhook", lambda: asked.webhook("https://news.example.com"), asked), "warning")
        (senders,) = asked.senders({"editor@news.example.com"})
        says_so(senders, "warning")


def test_a_broker_that_says_nothing(settings, monkeypatch):
    from mailer.celery import make_app

    with silent_server() as where:
        settings.EMBEDDED = False
        settings.BROKER_URL, settings.BROKER = f"redis://{where}/0", Broker(f"redis://{where}/0")
        monkeypatch.setattr("mailer.celery.app", make_app(current=False))
        says_so(guarded("broker", here.broker), "error")


def test_an_address_of_ours_that_says_nothing(settings):
    with silent_server() as where:
        settings.BASE_URL = f"http://{where}"
        says_so(guarded("BASE_URL", here.base_url), "error")


def test_a_dns_lookup_that_never_ends_is_cut_off(settings, monkeypatch):
    """The system's resolver does not know our timeout."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(600) and [])
    settings.SENDGRID_API_KEY, settings.SENDGRID_API_URL = "SG.key", "https://sendgrid.example"
    says_so(guarded("SENDGRID_API_URL", account.key), "error")
    over.set()


def test_name_servers_that_take_their_time_for_each_question_share_one_patience(settings, monkeypatch):
    settings.PROVIDER_IS_LOCAL = False
    monkeypatch.setattr(domains, "texts", lambda host: in_time(lambda: time.sleep(0.2) or []))
    (found,) = domains.checks()
    assert (found.state, "no answer within" in found.detail) == ("warning", True)


def test_what_was_asked_may_end_in_a_timeout_of_its_own(monkeypatch):
    def ask():
        raise TimeoutError("its own")

    over = threading.Event()
    with patiently(), pytest.raises(NoAnswer):
        in_time(lambda: over.wait(600))
    over.set()
    monkeypatch.setattr(patience, "PATIENCE", 60.0)
    with patiently(), pytest.raises(TimeoutError, match="its own"):
        in_time(ask)


def test_outside_of_a_check_an_answer_may_take_its_time():
    assert in_time(lambda: time.sleep(0.4) or "late") == "late"
