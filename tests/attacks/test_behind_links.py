"""Links with something appended by email programs, gateways or people, and links that lost a part on their way."""

import re
from urllib.parse import quote

import pytest
from django.conf import settings as installation
from django.db import transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from subscribers import signed_links, tokens
from tests import readers
from tests.mailer.published import published
from tests.readers import ADA
from tests.subscribers.paths import confirm_path, every_path, everything, leave_path, undo_in

pytestmark = pytest.mark.django_db

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# As they stand in a request: what is not ASCII arrives percent-encoded.
BEHIND = [
    *(
        "",
        "/",
        "//",
        ".",
        "/.",
        ")",
        "/)",
        "%3E",
        "/%3E",
        "/%3E.",
        "]",
        "/]",
        "*",
        "/*",
        "/**",
        ",",
        "/;",
        "/'",
        "/%22",
    ),
    *(
        "%E3%80%82",
        "/%E3%80%82",
        "/%EF%BC%8C",
        "/%E2%80%9D",
        "%20",
        "/%20",
        "/%20and",
        "%0A",
        "/%0A",
        "/%0D%0A",
        "/%00",
    ),
    *("=", "/=", "=3D", "/=3D", "/=20", "/&amp;", "/&amp;utm_source=x", "/&utm_source=x", "&x=1", "/%2520", "/%252F"),
    *("?fbclid=IwAR0x", "/?fbclid=IwAR0x", "/?utm_source=x&amp;utm_medium=email", "/?", "/?.", "/#top", "/%23top"),
    *("/index.html", "/preferences/", "/../", "/./", "/%FF", "/%ED%A0%80", "%60", "/%7C", "/%7D%7D", "/\\", "/:80"),
]


OPENED = (200, 400, 410)  # 400: a press of no button; 410: nothing to undo


def token_of(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def with_behind(path: str, behind: str) -> str:
    """Return the path with `behind` in place of its last character, a slash."""
    return path.removesuffix("/") + behind.partition("#")[0]


@pytest.fixture
def paths():
    return every_path(readers.confirmed())


@pytest.fixture
def asked(client):
    """Return status and page for each method, rolled back each time so that every link still has something to do."""

    def ask(method: str, path: str):
        with transaction.atomic():
            answer = client.generic(method, path, b"from=page", "application/x-www-form-urlencoded")
            transaction.set_rollback(True)
        page = re.sub(r'/[A-Za-z0-9_-]{50,}/"', '/TOKEN/"', answer.content.decode())  # each has a time of its own
        return answer.status_code, answer.headers.get("Location", "").partition("/preferences/")[0], page

    return ask


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "purpose", [tokens.CONFIRM, tokens.UNSUBSCRIBE, tokens.UNDO, *("preferences", "data", "address")]
)
def test_a_link_opens_whatever_stands_behind_it(paths, asked, purpose, method):
    path = paths[purpose]
    plain = asked(method, path)
    assert plain[0] in OPENED
    for behind in BEHIND:
        assert asked(method, with_behind(path, behind)) == plain, behind


def test_one_click_unsubscribes_whatever_stands_behind_its_link(client):
    for number, behind in enumerate(BEHIND):
        reader = readers.confirmed("weekly", readers.Named("Ada", f"ada{number}@readers.example"))
        answer = client.generic("POST", with_behind(leave_path(reader), behind), b"List-Unsubscribe=One-Click")
        assert (answer.status_code, readers.state_of(reader)) == (200, "unsubscribed"), behind


@pytest.mark.parametrize(
    "query",
    ["preferences", "preferences.", "preferences)", "preferences%20", "preferences=", "preferences&utm_source=x"],
)
def test_the_link_to_the_preferences_leads_there_whatever_stands_behind_it(client, query):
    answer = client.get(f"{leave_path(readers.confirmed())}?{query}")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/preferences/")


@pytest.mark.parametrize("behind", ["", "/", ".", "/.", "/%20", "/&amp;x", "%E3%80%82"])
def test_the_link_of_a_test_mail_opens_whatever_stands_behind_it(client, behind):
    path = signed_links.unsubscribe_url_of_test("weekly", 3).partition(":8000")[2]
    for method in ("GET", "POST"):
        assert client.generic(method, with_behind(path, behind)).status_code == 200


def test_the_name_of_the_host_may_be_written_in_capitals(client):
    answer = client.get(leave_path(readers.confirmed()), headers={"host": "LOCALHOST:8000"})
    assert answer.status_code == 200


@pytest.mark.slow
@settings(max_examples=150)
@given(first=st.characters(), rest=st.text(max_size=40))
@example(first="\x00", rest="")
@example(first="A", rest="")
@example(first="-", rest="/")
@example(first="\U0001f4e7", rest="\n/x")
def test_what_begins_with_no_letter_of_a_token_is_ignored_and_what_begins_with_one_damages_the_link(
    paths, asked, first, rest
):
    try:
        behind = quote(first + rest, safe="/")
    except UnicodeEncodeError:
        return  # half a surrogate pair cannot be asked for
    for purpose, path in paths.items():
        token = token_of(path)
        status, _, page = asked("POST" if purpose != tokens.UNSUBSCRIBE else "GET", path.removesuffix("/") + behind)
        if first in LETTERS:
            assert (status, "This link is damaged" in page) == (404, True)
        else:
            assert status in OPENED
        assert tokens.begun_by(token + first + rest) == token or first in LETTERS


def test_a_link_that_was_cut_anywhere_changes_nothing_and_its_page_says_so(client, paths):
    before = everything()
    for path in paths.values():
        token = token_of(path)
        for cut in range(0, len(token), 7):
            for short in (token[:cut], token[:cut] + "%20" + token[cut:], token[:cut] + "=%0D%0A" + token[cut:]):
                answer = client.post(path.replace(token, short), {"do": "delete", "sure": "yes"})
                assert (answer.status_code, "This link is damaged" in answer.content.decode()) == (404, True)
    assert everything() == before


def test_the_page_of_a_damaged_link_names_another_way_to_leave(client):
    page = client.get(leave_path(readers.confirmed())[:-9]).content.decode()
    assert "the latest email you received" in page
    for newsletter in installation.NEWSLETTERS.values():
        contact = newsletter.reply_to or newsletter.from_email
        assert f'<p>{newsletter.name}<br><a href="mailto:{contact}?subject=Unsubscribe">{contact}</a></p>' in page


@pytest.mark.parametrize("behind", [*BEHIND, "-", ".-.", "。", "）"])
def test_the_link_of_an_issue_opens_whatever_stands_behind_it(client, behind):
    send = published("2026-11-20")
    plain = client.get(f"/archive/{send.slug}/")
    answer = client.generic("GET", with_behind(f"/archive/{send.slug}/", behind))
    assert (answer.status_code, answer.content) == (200, plain.content)
    assert client.get(f"/archive/{send.slug}x/").status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_scanner_that_tries_one_click_at_every_link_of_a_mail_changes_nothing_but_by_that_to_unsubscribe(
    client, method
):
    """Gateways test what mailbox providers may post (RFC 8058), and do not know which link of an email it is for."""
    ada = readers.confirmed("weekly", ADA)
    asked_for = confirm_path(readers.pending("jianbao", ADA), "jianbao")
    undo = undo_in(client.post(leave_path(ada), {"from": "page"}))
    paths = every_path(ada) | {"asked for": asked_for, tokens.UNDO: undo}
    paths.pop(tokens.UNSUBSCRIBE)
    before = everything()
    for path in paths.values():
        answer = client.generic(method, path, "List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
        assert answer.status_code in (200, 400, 410)
    assert everything() == before
    assert [client.post(path).status_code for path in (asked_for, undo)] == [200, 200], "a person's press does it"


@pytest.mark.parametrize("slashes", ["//", "///"])
def test_a_link_opens_although_a_gateway_doubled_its_slashes(client, paths, slashes):
    for path in paths.values():
        assert client.get("/", PATH_INFO=path.replace("/", slashes)).status_code in OPENED
    ada = readers.confirmed("jianbao")
    doubled = leave_path(ada, "jianbao").replace("/", slashes)
    assert client.post("/", {"List-Unsubscribe": "One-Click"}, PATH_INFO=doubled).status_code == 200
    assert readers.state_of(ada, "jianbao") == "unsubscribed"


@pytest.mark.parametrize("path", ["//admin/", "/admin//login/", "//metrics", "//subscribe/"])
def test_nothing_else_opens_under_a_path_with_doubled_slashes(client, path):
    assert client.get("/", PATH_INFO=path).status_code in (404, 302)
