"""While the database is down, unsubscribes are stored, and everybody else gets an answer at once."""

import pytest
from django.db import OperationalError

from subscribers import applying, journal, optin, signed_links
from tests import readers
from tests.subscribers.paths import leave_path

pytestmark = pytest.mark.django_db(transaction=True)
CLICK = ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")


@pytest.fixture
def ada():
    signed_links.keys()
    reader = readers.confirmed()
    reader.leave_path = leave_path(reader)
    reader.preferences_path = signed_links.preferences_path(reader.public_id, "weekly")
    return reader


@pytest.fixture
def away(monkeypatch):
    """Make the database refuse each cursor, like one that was stopped."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    with monkeypatch.context() as meanwhile:

        def refuse(self, *given):
            raise OperationalError("connection refused")

        meanwhile.setattr(BaseDatabaseWrapper, "cursor", refuse)
        meanwhile.setattr(BaseDatabaseWrapper, "ensure_connection", refuse)
        yield meanwhile


@pytest.fixture
def back(away, monkeypatch):
    return away.undo


def kept(settings) -> list:
    path = settings.LEAVING_JOURNAL
    return [journal.parse(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def test_one_click_is_kept_and_applied_when_the_database_is_back(client, settings, ada, away, back):
    answer = client.post(ada.leave_path, *CLICK)
    assert (answer.status_code, answer.content) == (200, b"Unsubscribed.")
    (line,) = kept(settings)
    assert (line.public_id, line.newsletter, line.how) == (ada.public_id, "weekly", "one-click")
    back()
    assert applying.apply(settings.LEAVING_JOURNAL).left == 1
    assert readers.history_of(ada)[-1] == ("unsubscribed", "one-click")


def test_the_page_and_its_button_work_without_the_database(client, settings, ada, away):
    page = client.get(ada.leave_path)
    assert page.status_code == 200
    assert b'name="from"' in page.content
    assert b"/preferences/" not in page.content
    pressed = client.post(ada.leave_path, {"from": "page"})
    assert pressed.status_code == 200
    assert b"You are unsubscribed" in pressed.content
    assert b"/undo/" not in pressed.content, "there is nothing yet that could be undone"
    assert [line.how for line in kept(settings)] == ["page"]


def test_everything_can_be_left_without_the_database(client, settings, ada, away):
    answer = client.post(ada.preferences_path, {"do": "leave"})
    assert answer.status_code == 200
    assert b"You are unsubscribed from everything." in answer.content
    assert [(line.newsletter, line.how) for line in kept(settings)] == [("*", "preferences")]


def test_the_preferences_say_that_they_cannot_be_shown_and_offer_the_way_out(client, ada, away):
    for answer in (client.get(ada.preferences_path), client.post(ada.preferences_path, {"do": "save"})):
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0
        assert b"Nothing was changed" in answer.content
        assert ada.leave_path.encode() in answer.content


def test_a_forged_link_leaves_no_line(client, settings, ada, away):
    """Nor is the link called damaged: a newer link key may have signed it, and cannot be looked up."""
    assert client.post("/unsubscribe/" + "A" * 60 + "/", *CLICK).status_code == 503
    assert client.post("/unsubscribe/" + "A" * 20 + "/", *CLICK).status_code == 404
    assert kept(settings) == []


def test_where_the_home_is_declared_ephemeral_the_sender_is_asked_to_try_again(client, settings, ada, away):
    settings.LEAVING_JOURNAL = None
    for answer in (client.post(ada.leave_path, *CLICK), client.post(ada.leave_path, {"from": "page"})):
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0


def test_where_the_journal_cannot_be_written_either_the_sender_is_asked_to_try_again(client, settings, ada, away):
    settings.LEAVING_JOURNAL = settings.LEAVING_JOURNAL.parent / "no folder" / "leaving.jsonl"
    answers = [
        client.post(ada.leave_path, *CLICK),
        client.post(ada.leave_path, {"from": "page"}),
        client.post(ada.preferences_path, {"do": "leave"}),
    ]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert all(int(answer["Retry-After"]) > 0 for answer in answers)


def test_a_sign_up_says_so_and_keeps_the_address(client, ada, away, monkeypatch):
    from subscribers.web import forms

    monkeypatch.setattr(forms, "made", lambda _: forms.Made.BY_A_PERSON)
    answer = client.post("/subscribe/", {"email": "new@readers.example", "form_time": forms.new_form_time()})
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert b'value="new@readers.example"' in answer.content


@pytest.mark.parametrize("path", ["/archive/", "/feed.xml", "/sitemap.xml", "/archive/2026-11-20/"])
def test_other_pages_answer_with_an_explanation(client, path, ada, away):
    answer = client.get(path)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert b"Nothing was changed" in answer.content


@pytest.mark.parametrize(("name", "more"), [("confirm_url", ()), ("undo_path", (1,))])
def test_confirming_and_undoing_answer_with_an_explanation(client, name, more, ada, away):
    path = getattr(signed_links, name)(ada.public_id, "weekly", *more).removeprefix("http://127.0.0.1:8000")
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 503
        assert b"Nothing was changed" in answer.content


def test_a_leaving_is_kept_also_where_the_database_lacks_a_column(client, settings, ada, monkeypatch):
    from django.db import ProgrammingError

    def fail(*_):
        raise ProgrammingError("column does not exist")

    monkeypatch.setattr(optin, "leave", fail)
    assert client.post(ada.leave_path, *CLICK).status_code == 200
    assert len(kept(settings)) == 1


def test_a_503_on_purpose_is_not_an_error_in_the_log(client, ada, away, caplog):
    for path in (ada.preferences_path, "/readyz", "/metrics"):
        assert client.get(path).status_code == 503
    assert [record for record in caplog.records if record.name == "django.request"] == []


def test_an_error_that_nobody_caught_is_logged_once_with_its_traceback(client, ada, monkeypatch, caplog):
    def fail(*given):
        raise RuntimeError("a defect")

    client.raise_request_exception = False
    monkeypatch.setattr("subscribers.tokens.read", fail)
    assert client.get(ada.leave_path).status_code == 500
    (logged,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (logged.name, logged.exc_info[0]) == ("django.request", RuntimeError)
