"""`/admin/`: who gets in, and what they can do."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from mailer.models import Batch, Send
from mailer.sending.accounting import count
from subscribers import lookups, optin, signed_links
from subscribers.models import AuditEntry, Consent, Subscription, Suppression
from tests import readers
from tests.mailer.sending.conftest import _nothing_kept_from_another_database, _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import batch_of, deliver_all, planned

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def operator(client) -> User:
    user = User.objects.create_superuser("operator", password=PASSWORD)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user


def log_in(client, password, **headers):
    return client.post("/admin/login/", {"username": "operator", "password": password}, **headers)


def act(client, action, *chosen, **pressed):
    data = {"action": action, "_selected_action": [reader.pk for reader in chosen], **pressed}
    return client.post("/admin/subscribers/subscriber/", data, follow=True)


def cells(page: str) -> dict[str, str]:
    """Return the text of each cell of a list with one row, by column."""
    found = re.findall(r'<t[dh] class="field-(\w+)[^"]*">(.*?)</t[dh]>', page, re.DOTALL)
    return {name: unescape(re.sub("<[^>]+>", "", cell)) for name, cell in found}


def test_strangers_are_led_to_the_login_and_learn_nothing(client):
    for path in ("/admin/", "/admin/subscribers/subscriber/", "/admin/mailer/send/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


def test_five_wrong_passwords_lock_out_even_the_right_one(client):
    User.objects.create_superuser("operator", password=PASSWORD)
    for _ in range(5):
        log_in(client, "guess")
    refused = log_in(client, PASSWORD)
    assert refused.status_code == 429
    assert "Try again in 15 minutes" in refused.text
    assert "no-store" in refused["Cache-Control"]
    assert "script-src 'self'" in refused["Content-Security-Policy"]
    assert log_in(client, PASSWORD, REMOTE_ADDR="198.51.100.7").status_code == 302


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


def test_a_whole_address_is_found_by_its_index_and_a_part_of_one_by_looking(client, operator):
    readers.everybody()
    with CaptureQueriesContext(connection) as asked:
        page = client.get("/admin/subscribers/subscriber/?q= Ada@Readers.example").text
    assert "1 subscriber" in page
    assert not any("LIKE" in one["sql"] for one in asked)
    assert "4 subscribers" in client.get("/admin/subscribers/subscriber/?q=@readers.").text
    assert "1 subscriber" in client.get("/admin/subscribers/subscriber/?q=da@readers.example").text


def test_among_many_readers_only_the_beginning_of_an_address_is_searched_for(client, operator, monkeypatch):
    monkeypatch.setattr(lookups, "MANY", 3)
    readers.crowd(8)
    readers.everybody()
    with CaptureQueriesContext(connection) as asked:
        pages = {q: client.get(f"/admin/subscribers/subscriber/?q={q}").text for q in ("Reader000", "ada@", "da@", "_")}
    assert "8 subscribers" in pages["Reader000"]
    assert "1 subscriber" in pages["ada@"]
    assert "0 subscribers" in pages["da@"]
    assert "0 subscribers" in pages["_"]
    assert "other parts of addresses are not searched" in pages["da@"]
    assert not any("LIKE '%" in one["sql"] or "UPPER" in one["sql"] for one in asked)


def test_the_list_of_many_readers_ends_early_in_one_order_and_says_so(client, operator, monkeypatch):
    monkeypatch.setattr(lookups, "MANY", 3)
    monkeypatch.setattr(lookups, "LISTED", 6)
    monkeypatch.setattr(lookups, "FOUND", 2)
    readers.crowd(8)
    with CaptureQueriesContext(connection) as asked:
        page = client.get("/admin/subscribers/subscriber/?o=-2").text
    assert "the first 6 subscribers" in page
    assert "sortable" not in page
    assert not any("COUNT" in one["sql"] for one in asked)
    assert [
        one["sql"].split("ORDER BY")[1] for one in asked if '"name"' in one["sql"] and "ORDER BY" in one["sql"]
    ] == [' "subscribers_subscriber"."email_key" ASC']
    assert "the first 2 subscribers" in client.get("/admin/subscribers/subscriber/?q=reader").text
    monkeypatch.setattr(lookups, "MANY", 8)
    page = client.get("/admin/subscribers/subscriber/?o=-2").text
    assert "the first" not in page
    assert "8 subscribers" in page
    assert "sortable" in page


def test_the_list_of_sends_reads_the_requests_of_those_on_the_page_alone(client, operator):
    readers.confirmed()
    planned()
    with CaptureQueriesContext(connection) as asked:
        assert client.get("/admin/mailer/send/").status_code == 200
    beside = [one["sql"] for one in asked if "DISTINCT" in one["sql"] or "COUNT(" in one["sql"]]
    assert len(beside) == 3
    assert not any("mailer_batch" in sql for sql in beside)


def test_the_list_of_readers_says_what_they_get_and_who_may_not_be_mailed(client, operator):
    dora = readers.bounced()
    readers.pending("jianbao", readers.DORA)
    shown = cells(client.get("/admin/subscribers/subscriber/").text)
    assert (shown["newsletters"], shown["suppressed_because"]) == ("jianbao: pending, weekly: active", "bounce")
    assert shown["created"] == f"{dora.created_at:%Y-%m-%d %H:%M} UTC"


def test_whether_an_address_may_be_mailed_is_found_also_when_no_reader_has_it(client, operator):
    dora = readers.bounced()
    Suppression.objects.create(hash=signed_links.suppression_hash("gone@readers.example"), reason="erased")
    found = cells(client.get("/admin/subscribers/suppression/?q=Gone@Readers.example").text)
    assert (found["address"][:10], found["reason"]) == ("no subscri", "Erased")
    Suppression.objects.update(erased_how="mailed link")
    assert "mailed link" in client.get(f"/admin/subscribers/suppression/{dora.suppression_hash}/change/").text
    assert cells(client.get("/admin/subscribers/suppression/?q=dora@readers.example").text)["reason"] == "Bounce"
    for nobody in ("ada@readers.example", "dora"):
        assert "0 suppressions" in client.get(f"/admin/subscribers/suppression/?q={nobody}").text


def test_the_numbers_of_the_list_are_those_of_the_receipt(client, operator, settings, api):  # noqa: F811
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(8)
    api.bad_addresses = {"reader0001@readers.example"}
    send = planned()
    deliver_all(send)
    for state, number in ((Batch.State.UNKNOWN, 1), (Batch.State.POSTING, 2)):
        Batch.objects.filter(pk=batch_of(send, number).pk).update(state=state)
    shown, counted = cells(client.get("/admin/mailer/send/").text), count(send)
    for name in ("planned", "accepted", "waiting", "unknown", "rejected"):
        assert shown[name] == str(getattr(counted, name)) != "0"


def test_no_page_calls_a_thing_by_its_number_or_leads_to_an_empty_history(client, operator):
    readers.confirmed()
    dora = readers.bounced()
    send = planned()
    paths = ("subscribers/subscriber", "mailer/send", "subscribers/suppression")
    for path, row in zip(paths, (dora.pk, send.pk, dora.suppression_hash), strict=True):
        for page in (client.get(f"/admin/{path}/").text, client.get(f"/admin/{path}/{row}/change/").text):
            assert "object (" not in page
            assert "/history/" not in page
    assert "None available" not in client.get("/admin/").text


@pytest.mark.parametrize("path", ["subscribers/subscriber/", "mailer/send/", "subscribers/suppression/"])
def test_a_list_asks_as_often_for_many_rows_as_for_few(client, operator, path):
    def fill(slug: str, letters: str) -> None:
        for letter in letters:
            readers.bounced(who=readers.Named("", f"{letter}@readers.example"))
            planned(slug=f"{slug}-{letter}")

    counted = []
    for slug, letters in (("few", "ab"), ("many", "cdefg")):
        readers.confirmed(who=readers.Named("", f"{slug}@readers.example"))
        fill(slug, letters)
        with CaptureQueriesContext(connection) as asked:
            client.get(f"/admin/{path}")
        counted.append(len(asked))
    assert counted[0] == counted[1] <= 10


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
    assert "Select one subscriber" in act(client, "unsubscribe_one", ada, ben).text
    assert "<strong>ada@readers.example</strong>, Ada (weekly: active)" in act(client, "unsubscribe_one", ada).text
    assert readers.state_of(ada) == "active"
    assert "from weekly: ada@readers.example" in act(client, "unsubscribe_one", ada, sure="Unsubscribe").text
    assert readers.state_of(ada) == Subscription.State.UNSUBSCRIBED
    assert (Consent.objects.last().how, Consent.objects.last().source) == ("admin", "operator")


def test_an_operator_says_why_nobody_may_mail_an_address(client, operator):
    ben, dora = readers.confirmed(who=readers.BEN), readers.bounced()
    optin.suppress(dora.suppression_hash, "complaint", readers.LINK)
    asked = (act(client, "suppress_one", ben), act(client, "suppress_one", ben, sure="Suppress", reason=" "))
    assert ["Enter a reason" in page.text for page in asked] == [False, True]
    assert readers.suppression_of(ben) is None
    assert f"Suppressed: {ben.email}" in act(client, "suppress_one", ben, sure="Suppress", reason="asked by phone").text
    assert (readers.suppression_of(ben), Suppression.objects.get(reason="manual").note) == ("manual", "asked by phone")
    assert Consent.objects.last().source == "suppressed: manual asked by phone (operator)"
    assert "stronger reason" in act(client, "suppress_one", dora, sure="Suppress", reason="asked by phone").text
    assert readers.suppression_of(dora) == "complaint"


def test_who_may_only_look_cannot_let_go(client):
    from django.contrib.auth.models import Permission

    looker = User.objects.create_user("looker", password=PASSWORD, is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_subscriber"))
    client.force_login(looker, backend="django.contrib.auth.backends.ModelBackend")
    ada = readers.confirmed()
    act(client, "suppress_one", ada, sure="Suppress", reason="asked by phone")
    assert readers.suppression_of(ada) is None


def test_names_from_strangers_are_inert(client, operator):
    evil = readers.Named("<script>alert(1)</script>", "evil@readers.example")
    reader = readers.confirmed(who=evil)
    page = client.get(f"/admin/subscribers/subscriber/{reader.pk}/change/").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


# ---------------------------------------------------------------- the audit log


def audited() -> list[tuple[str, str, int]]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", "subject", "count"))


def test_who_looks_at_readers_here_is_in_the_audit_log_and_what_they_typed_is_not(client, operator):
    ada, dora = readers.confirmed(), readers.bounced()
    for path in (
        "subscriber/",
        "subscriber/?q=ada@readers.example",
        "subscriber/?q=@readers.example",
        f"subscriber/{ada.pk}/change/",
        f"suppression/{dora.suppression_hash}/change/",
    ):
        client.get(f"/admin/subscribers/{path}")
    act(client, "suppress_one", ada, sure="yes", reason="ada@readers.example phoned")
    assert audited()[:6] == [
        ("listed", "", 2),
        ("searched", str(ada.public_id), 1),
        ("searched", "", 2),
        ("shown", str(ada.public_id), 1),
        ("shown", str(dora.public_id), 1),
        ("suppressed", str(ada.public_id), 1),
    ]
    for row in AuditEntry.objects.values():
        assert (row["by"], row["who"], row["place"]) == ("admin", "operator", "127.0.0.0/24")
        assert "@" not in str(row)


def test_the_audit_log_is_shown_and_nothing_in_it_can_be_changed_here(client, operator):
    ada = readers.confirmed()
    client.get(f"/admin/subscribers/subscriber/{ada.pk}/change/")
    entry = AuditEntry.objects.get()
    assert str(ada.public_id) in client.get("/admin/subscribers/auditentry/").text
    assert "1 audit entry" in client.get("/admin/subscribers/auditentry/?q=Ada@readers.example").text
    assert "0 audit entries" in client.get("/admin/subscribers/auditentry/?q=nobody").text
    page = client.get(f"/admin/subscribers/auditentry/{entry.pk}/change/").text
    assert "operator" in page
    assert 'name="_save"' not in page
    for path, data in (
        ("add/", {"who": "x"}),
        (f"{entry.pk}/change/", {"who": "x"}),
        (f"{entry.pk}/delete/", {"post": "yes"}),
    ):
        assert client.post(f"/admin/subscribers/auditentry/{path}", data).status_code == 403
    assert AuditEntry.objects.get().who == "operator"


def test_nobody_is_let_go_here_where_it_cannot_be_audited(client, operator, monkeypatch):
    def fails(*given, **named):
        raise OperationalError("database or disk is full")

    ada = readers.confirmed()
    monkeypatch.setattr(AuditEntry, "save", fails)
    client.raise_request_exception = False
    for action in ("suppress_one", "unsubscribe_one"):
        act(client, action, ada, sure="yes", reason="asked")
    assert (readers.state_of(ada), readers.suppression_of(ada)) == ("active", None)
