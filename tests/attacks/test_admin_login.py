"""Try what password guessers try at `/admin/`."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models import F
from django.test import Client
from django.utils import timezone

from mailer.web import admin_site
from mailer.worker.sweeping import tidy

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


class CountingHasher(MD5PasswordHasher):
    """A cheap password hasher that counts its uses: at a login, the hash is what takes time."""

    algorithm = "counted"
    used = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).used += 1
        return super().encode(password, salt)


@pytest.fixture(autouse=True)
def _operator(settings):
    settings.PASSWORD_HASHERS = ["tests.attacks.test_admin_login.CountingHasher"]
    User.objects.create_superuser("operator", password=PASSWORD)


def log_in(name="operator", password="guess", query="", note="", **more):
    browser = Client(raise_request_exception=False)
    fields = {"username": name, "password": password, "note": note}
    return browser.post(f"/admin/login/{query}", fields, **more)


@pytest.fixture
def time_machine_of_axes():
    """Move the records of django-axes instead of the clock, which axes reads itself."""

    def later(minutes: int) -> None:
        AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=minutes))

    return later


HOME = "203.0.113.9"


def is_open(address: str) -> bool:
    """Tell whether the right password is accepted from this address."""
    return log_in(password=PASSWORD, REMOTE_ADDR=address).status_code == 302


def test_another_claim_for_each_guess_does_not_help():
    """Without a trusted proxy, the visitor may have made the header up."""
    for number in range(5):
        log_in(headers={"X-Forwarded-For": f"198.51.{number}.1"})
    assert AccessAttempt.objects.get().failures_since_start == 5
    assert not is_open("127.0.0.1")


@pytest.mark.parametrize(
    ("guessing", "neighbour"), [("198.51.100.{}", "198.51.100.200"), ("2001:db8::{}", "2001:db8::ffff:1:2:3")]
)
def test_a_stranger_locks_out_their_own_network_and_never_the_operator(guessing, neighbour):
    for number in range(1, 21):
        log_in(REMOTE_ADDR=guessing.format(number))
    assert not is_open(neighbour)
    assert is_open(HOME)


def test_a_network_that_tries_name_after_name_waits_before_a_password_is_checked():
    """Each check occupies a processor for a moment, and enough of them kept everybody else waiting."""
    for number in range(admin_site.GUESSES):
        log_in(f"user{number}", REMOTE_ADDR="198.51.100.7")
    CountingHasher.used = 0
    refused = log_in("another", REMOTE_ADDR="198.51.100.8")
    assert refused.status_code == 429
    assert "from this network" in refused.text
    assert "with this name" not in refused.text
    assert CountingHasher.used == 0
    assert is_open(HOME)


def test_no_more_passwords_are_checked_at_a_time_than_leave_threads_to_others():
    for _ in range(2):
        admin_site._checking.acquire()
    try:
        busy = log_in(password=PASSWORD, REMOTE_ADDR=HOME)
        assert (busy.status_code, busy["Retry-After"]) == (503, "1")
        assert Client().get("/admin/login/").status_code == 200
    finally:
        for _ in range(2):
            admin_site._checking.release()
    assert is_open(HOME)


def test_guesses_during_a_lockout_do_not_prolong_it(time_machine_of_axes):
    for _ in range(5):
        log_in(REMOTE_ADDR=HOME)
    time_machine_of_axes(minutes=14)
    assert log_in(REMOTE_ADDR=HOME).status_code == 429
    time_machine_of_axes(minutes=2)
    assert is_open(HOME)


def test_of_a_guess_stays_a_name_a_network_and_a_count_and_these_not_for_long():
    log_in(REMOTE_ADDR=HOME, note="ada@readers.example", query="?next=/admin/?q=ada@readers.example")
    kept = AccessAttempt.objects.get()
    assert kept.ip_address == "203.0.113.0"
    assert "ada" not in "".join(str(value) for value in vars(kept).values())
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(hours=1))
    tidy()
    assert not AccessAttempt.objects.exists()


def test_a_login_that_ended_is_not_kept_and_one_that_did_not_is():
    assert log_in(password=PASSWORD).status_code == 302
    tidy()
    Session.objects.get()
    Session.objects.update(expire_date=timezone.now() - timedelta(hours=1))
    tidy()
    assert not Session.objects.exists()


def test_behind_a_proxy_what_the_visitor_wrote_before_its_entry_does_not_count(settings):
    settings.MAILER_PROXIES = 1
    for number in range(5):
        log_in(headers={"X-Forwarded-For": f"203.0.{number}.7, 198.51.100.7"})
    assert log_in(password=PASSWORD, headers={"X-Forwarded-For": "198.51.100.7"}).status_code == 429
    assert log_in(password=PASSWORD, headers={"X-Forwarded-For": "198.51.101.7"}).status_code == 302


@pytest.mark.parametrize(
    "claimed", ["unknown", "198.51.100.7:4711", "[2001:db8::1]:443", "é", "x" * 300, "fe80::1%eth0"]
)
def test_an_address_that_the_database_cannot_store_still_counts_for_the_lockout(settings, claimed):
    """PostgreSQL refused the record, so that such guesses were answered 500 and never counted."""
    settings.MAILER_PROXIES = 1
    answers = [log_in(headers={"X-Forwarded-For": claimed}).status_code for _ in range(6)]
    assert answers == [200, 200, 200, 200, 429, 429]


def test_who_comes_from_no_address_is_counted_too():
    assert [log_in(REMOTE_ADDR="").status_code for _ in range(6)][-1] == 429


def test_a_name_too_long_for_the_record_is_rejected():
    assert log_in("u" * 300).status_code == 200
    assert not AccessAttempt.objects.exists()


def test_names_that_look_alike_are_one_name():
    for number, name in enumerate(["operator", " operator", "ｏperator", "operator ", "operatoｒ"]):
        log_in(name, REMOTE_ADDR=f"198.51.100.{number}")
    assert not is_open("198.51.100.200")


def test_a_login_takes_as_long_for_a_name_that_does_not_exist():
    CountingHasher.used = 0
    log_in("operator")
    known = CountingHasher.used
    log_in("nobody")
    assert CountingHasher.used == 2 * known > 0


def test_nobody_is_logged_in_by_a_page_of_somebody_else():
    browser = Client(enforce_csrf_checks=True)
    fields = {"username": "operator", "password": PASSWORD}
    assert browser.post("/admin/login/", fields).status_code == 403
    browser.get("/admin/login/")
    fields["csrfmiddlewaretoken"] = browser.cookies["csrftoken"].value
    assert browser.post("/admin/login/", fields, headers={"origin": "https://evil.example"}).status_code == 403
    assert browser.post("/admin/login/", fields).status_code == 302


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_a_login_leads_nowhere_else(elsewhere):
    assert "evil" not in log_in(password=PASSWORD, query=f"?next={elsewhere}")["Location"]
