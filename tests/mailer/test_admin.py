"""`/admin/`: who gets in, and what can be done there."""

import pytest
from django.contrib.auth.models import User

from mailer.models import Send
from subscribers.models import Consent, Subscription
from tests import readers
from tests.mailer.sending.conftest import api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import deliver_all, planned

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def operator(client) -> User:
    user = User.objects.create_superuser("operator", password=PASSWORD)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user


def log_in(client, password, **headers):
    return client.post("/admin/login/", {"username": "operator", "password": password}, **headers)


def act(client, action, *chosen):
    data = {"action": action, "_selected_action": [reader.pk for reader in chosen]}
    return client.post("/admin/subscribers/subscriber/", data, follow=True)


def test_strangers_are_led_to_the_login_and_learn_nothing(client):
    for path in ("/admin/", "/admin/subscribers/subscriber/", "/admin/mailer/send/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


def test_five_wrong_passwords_close_the_door_even_for_the_right_one(client):
    User.objects.create_superuser("operator", password=PASSWORD)
    for _ in range(5):
        log_in(client, "guess")
    assert log_in(client, PASSWORD).status_code == 429
    assert log_in(client, PASSWORD, REMOTE_ADDR="198.51.100.7").status_code == 429


def test_the_right_password_opens_it(client):
    User.objects.create_superuser("operator", password=PASSWORD)
    assert log_in(client, PASSWORD).status_code == 302
    assert client.cookies["sessionid"]["path"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_its_pages_allow_no_script_of_others_and_stay_out_of_caches(client, operator):
    answer = client.get("/admin/")
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert "no-store" in answer["Cache-Control"]
    assert b"<script>" not in answer.content


def test_a_reader_is_found_and_the_whole_history_is_shown(client, operator):
    cleo = readers.unsubscribed()
    assert "cleo@readers.example" in client.get("/admin/subscribers/subscriber/?q=cleo").text
    page = client.get(f"/admin/subscribers/subscriber/{cleo.pk}/change/").text
    for words in ("Requested", "Confirmed", "Unsubscribed", readers.FORM.wording, "192.0.2.0/24"):
        assert words in page


def test_consent_and_sends_cannot_be_changed_or_deleted(client, operator, api):  # noqa: F811
    ada = readers.confirmed()
    deliver_all(planned())
    send = Send.objects.get()
    for path in (f"/admin/subscribers/subscriber/{ada.pk}", f"/admin/mailer/send/{send.pk}"):
        assert client.post(f"{path}/change/", {"email": "x@readers.example", "state": "paused"}).status_code == 403
        assert client.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/subscribers/subscriber/add/").status_code == 403
    assert client.get("/admin/subscribers/consent/").status_code == 404
    page = client.get(f"/admin/mailer/send/{send.pk}/change/").text
    assert "planned 1 = accepted 1" in page
    assert "2026-11-20" in client.get("/admin/mailer/send/").text


def test_an_operator_lets_one_reader_go_on_record(client, operator):
    ada, ben = readers.confirmed(), readers.confirmed(who=readers.BEN)
    assert "Choose one reader" in act(client, "unsubscribe_one", ada, ben).text
    assert readers.state_of(ada) == "active"
    act(client, "unsubscribe_one", ada)
    assert readers.state_of(ada) == Subscription.State.UNSUBSCRIBED
    assert (Consent.objects.last().how, Consent.objects.last().source) == ("admin", "operator")
    act(client, "suppress_one", ben)
    assert readers.suppression_of(ben) == "manual"


def test_who_may_only_look_cannot_let_go(client):
    from django.contrib.auth.models import Permission

    looker = User.objects.create_user("looker", password=PASSWORD, is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_subscriber"))
    client.force_login(looker, backend="django.contrib.auth.backends.ModelBackend")
    ada = readers.confirmed()
    act(client, "suppress_one", ada)
    assert readers.suppression_of(ada) is None


def test_names_from_strangers_are_inert(client, operator):
    evil = readers.Named("<script>alert(1)</script>", "evil@readers.example")
    reader = readers.confirmed(who=evil)
    page = client.get(f"/admin/subscribers/subscriber/{reader.pk}/change/").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
