import json
import re

import pytest

from mailer.previewing.showing import Addresses, page_state, shown
from tests.mailer.previewing.conftest import BASE, ISSUE

HERE = Addresses("/token/media/", f"{BASE}/unsubscribe/test/")


@pytest.fixture
def rendered(desk):
    return desk().draw().rendered


def test_images_come_from_the_previews_own_server(rendered):
    html = shown(rendered, "light", HERE)
    assert f'src="/token/media/{rendered.images[0].name}"' in html
    assert f"{BASE}/media/" not in html
    assert f"{BASE}/media/{rendered.images[0].name}" in rendered.html, "the mail itself is not touched"


def test_the_readers_link_is_the_tests(rendered):
    html = shown(rendered, "light", HERE)
    assert f'href="{BASE}/unsubscribe/test/"' in html
    assert not re.search("zq[0-9a-f]{16}", html)


def test_light_and_dark_answer_the_question_that_a_browser_would_ask_its_system(rendered):
    light, dark = shown(rendered, "light", HERE), shown(rendered, "dark", HERE)
    assert "prefers-color-scheme" in rendered.html
    for html, scheme, answer in ((light, "light", "999999px"), (dark, "dark", "0px")):
        assert "prefers-color-scheme" not in html
        assert f"@media (min-width:{answer})" in html
        assert f'<meta name="color-scheme" content="{scheme}"' in html
        assert re.search(rf":root {{\s*color-scheme: {scheme};", html)


def test_text_about_dark_mode_stays_text(desk, file):
    file.write_text(ISSUE + "\nWrite `@media (prefers-color-scheme: dark)` and color-scheme: light dark.\n")
    html = shown(desk().draw().rendered, "dark", HERE)
    assert "(prefers-color-scheme: dark)" in html
    assert "color-scheme: light dark." in html


def test_the_page_gets_what_an_inbox_shows(desk):
    state = page_state(desk().draw(), HERE)
    mail = state["mail"]
    assert (mail["sender"], mail["subject"], mail["preheader"]) == ("The Weekly", "Weekly", "What is new on the bench")
    assert f"{BASE}/unsubscribe/test/" in mail["text"]
    assert json.loads(json.dumps(state)) == state


def test_the_page_is_told_why_there_is_no_card(desk, file):
    assert page_state(desk().draw(), HERE)["mail"]["no_card"] == ""
    file.write_text(ISSUE.replace("# Weekly", "# Party 🎉"))
    assert "🎉 (U+1F389)" in page_state(desk().draw(), HERE)["mail"]["no_card"]


def test_the_page_of_an_issue_that_was_never_good_has_no_mail(desk, file):
    file.write_bytes(b"\xff")
    state = page_state(desk().draw(), HERE)
    assert state["mail"] is None
    assert state["trouble"]["line"] == 1


def test_the_page_knows_how_each_finding_is_ignored(desk, file):
    file.write_text(ISSUE + "\n[One](https://bit.ly/a) [Two](https://bit.ly/b)\n")
    state = page_state(desk().draw(), HERE)
    assert [finding["rule"] for finding in state["findings"]] == ["link-shortener", "link-shortener"]
    assert state["ignoring"]["link-shortener"]["issue"]["text"] == "ignore: [link-shortener]"
    assert state["ignoring"]["link-shortener"]["newsletter"]["text"] == 'ignore = ["link-shortener"]'
