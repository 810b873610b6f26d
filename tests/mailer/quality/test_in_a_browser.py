"""Emails and pages in Chromium: nothing overflows a phone 320 pixels wide, and axe finds no violations."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailer.config.newsletter import read_newsletters
from mailer.content.issues import read_issue
from mailer.content.rendering import render_issue
from mailer.previewing.server import Answered, PreviewServer, Site
from mailer.previewing.watching import Latest
from tests.golden import ISSUES, STARTER
from tests.mailer.previewing.conftest import desk, file, folder  # noqa: F401 — fixtures
from tests.mailer.published import published
from tests.mailer.quality.admin import operators_pages
from tests.mailer.quality.glass import FLAWLESS, Glass
from tests.mailer.quality.mails import BASE, Seen, confirmation, letter, mail, named, notice
from tests.mailer.quality.pages import of_long_words, readers_pages

MAILS = [*(path.stem for path in ISSUES), "seed", "largest"]


FAULTY = """<!doctype html><html lang="en"><title>t</title><style>
p { color: #777; background: #fff } @media (prefers-color-scheme: dark) { p { color: #333; background: #000 } }
</style><main><h1>A heading</h1><p>Grey</p><div style="width: 400px">Wide</div><img src="https://x.example/a.png"></main>
"""


def test_the_glass_sees_what_is_wrong(glass: Glass):
    look = glass.look(Seen(FAULTY))
    assert any("Wide" in words for words in look.sticking_out)
    for mode in (look.light, look.dark):
        assert sorted({words.split(":")[0] for words in mode}) == ["color-contrast", "image-alt"]
    assert look.light != look.dark


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_fits_a_narrow_phone_and_axe_finds_nothing_against_it(glass: Glass, name: str):
    assert glass.look(mail(named(name))) == FLAWLESS


def test_on_a_phone_the_logo_stands_beside_the_name_and_a_wide_table_says_that_it_goes_on(glass: Glass, tmp_path):
    issue, config = tmp_path / "2026-11-20.md", STARTER / "newsletter.toml"
    issue.write_text(f"# T\n\n|{'a-column|' * 8}\n|{'---|' * 8}\n|{'x|' * 8}\n", encoding="utf-8")
    (newsletter,) = read_newsletters(config).values()
    with_logo = replace(newsletter, logo="https://news.example.com/logo.png", name="A name that takes two lines")
    html = render_issue(read_issue(issue, config), with_logo, base_url=BASE).html

    def look(page) -> tuple[list[dict[str, float]], str]:
        page.set_viewport_size({"width": 320, "height": 800})
        page.route("**/*", lambda route: route.abort())
        page.set_content(html)
        ground = page.locator(".wide").evaluate("box => getComputedStyle(box).backgroundImage")
        return [page.locator(".nameplate td").nth(number).bounding_box() for number in range(3)], ground

    (logo, name, day), ground = glass.walk(look)
    assert name["x"] >= logo["x"] + logo["width"]
    assert name["y"] < logo["y"] + logo["height"]
    assert day["y"] >= max(one["y"] + one["height"] for one in (logo, name))
    assert ground.count("linear-gradient") == 2


CALLOUTS = "# Title\n\n==Marked [link](https://a.example/1)== text.\n\n" + "\n\n".join(
    f"> [!{kind}] A title with a [link](https://a.example/{kind})\n> Words, `code` and a [link](https://a.example).\n>\n"
    f"> | a | b |\n> |---|---|\n> | 1 | 2 |\n\n> [!{kind}]\n> - Words"
    for kind in ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION")
)


def test_so_do_callouts_and_marked_text(glass: Glass, tmp_path):
    (tmp_path / "2026-11-20.md").write_text(CALLOUTS, encoding="utf-8")

    assert glass.look(mail(tmp_path / "2026-11-20.md")) == FLAWLESS


@pytest.mark.django_db
@pytest.mark.parametrize("newsletter", ["weekly", "jianbao"])
def test_so_do_the_mail_to_confirm_the_one_with_a_link_and_the_one_that_tells(glass: Glass, newsletter: str):
    assert [glass.look(one(newsletter)) for one in (confirmation, letter, notice)] == [FLAWLESS] * 3


@pytest.mark.slow
@pytest.mark.usefixtures("_an_installation")
def test_so_does_every_page_that_a_reader_meets(glass: Glass, monkeypatch):
    found = {name: look for name, seen in readers_pages(monkeypatch).items() if (look := glass.look(seen)) != FLAWLESS}
    assert found == {}


@pytest.mark.django_db
def test_so_do_pages_with_words_that_are_wider_than_a_phone(glass: Glass, settings):
    found = {path: glass.look(seen) for path, seen in of_long_words(settings).items()}
    assert found == dict.fromkeys(found, FLAWLESS)


@pytest.mark.usefixtures("_an_installation")
def test_an_issue_is_printed_black_on_white_without_what_one_presses(glass: Glass, live_server):
    article = '<h2>News</h2><pre class="code"><code><span class="hk">def</span> print</code></pre><h2>More</h2>'
    published("2026-11-20", subject="Title", article=article)

    def printed(page) -> tuple[list[str], list[str]]:
        page.goto(f"{live_server.url}/archive/2026-11-20/")
        page.emulate_media(media="print", color_scheme="dark")
        shown = "all => all.filter(one => one.checkVisibility()).map(one => one.className || one.tagName)"
        pressed = page.locator("a, button, input, .invitation").evaluate_all(shown)
        return pressed, page.locator("body, pre").evaluate_all(
            "all => all.map(one => getComputedStyle(one)).map(style => `${style.color} ${style.backgroundColor}`)"
        )

    pressed, colours = glass.walk(printed)
    assert pressed == ["A"]  # the newsletter's name, which is whose issue it is
    assert colours == ["rgb(0, 0, 0) rgb(255, 255, 255)", "rgb(0, 0, 0) rgb(243, 245, 247)"]


@pytest.mark.usefixtures("_an_installation")
def test_a_link_that_looks_like_a_button_keeps_its_frame_in_forced_colours(glass: Glass, live_server):
    published("2026-11-20", subject="Title", article="<p>Text</p>")

    def framed(page) -> str:
        page.emulate_media(forced_colors="active")
        page.goto(f"{live_server.url}/archive/2026-11-20/")
        return page.locator(".invitation .button").evaluate("one => getComputedStyle(one).borderTopStyle")

    assert glass.walk(framed) == "solid"


# Of Django's own: headings that only screen readers are told, too wide for a phone where nobody sees them.
OUT_OF_SIGHT = "Change or view list link"


@pytest.mark.slow
@pytest.mark.django_db
def test_so_does_every_page_that_an_operator_opens(glass: Glass, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    found = {}
    for name, seen in operators_pages().items():
        look = glass.look(seen)
        sticking_out = [words for words in look.sticking_out if OUT_OF_SIGHT not in words]
        if replace(look, sticking_out=sticking_out) != FLAWLESS:
            found[name] = look
    assert found == {}


@pytest.fixture
def preview(desk, folder) -> Iterator[PreviewServer]:  # noqa: F811
    from mailer.cli.previewing import _page

    (folder / "images" / "board.png").unlink()  # so that there are findings to show
    issue = folder / "2026-11-20.md"
    issue.write_text(f"{issue.read_text()}\n[One](https://bit.ly/a) [Two](https://bit.ly/b)\n")
    latest = Latest()
    latest.put(desk().draw())
    page = _page(folder / "2026-11-20.md")
    site = Site(page, latest, f"{BASE}/unsubscribe/test/", lambda *_: Answered(True, "Rehearsed."))
    server = PreviewServer(site)
    server.start()
    yield server
    server.stop()


# What an editor opens and presses, each step on top of those before it.
STEPS = {
    "where a rule is ignored, and all its places": """() => {
        for (const details of document.querySelectorAll('#findings details')) details.open = true;
        document.querySelector('#findings .places button').click();
    }""",
    "a finding on a dark phone": """() => {
        for (const id of ['tab-phone', 'dark']) document.getElementById(id).click();
        document.querySelector('#findings button').click();
    }""",
    "plain text, and the preview stopped": """() => {
        document.getElementById('tab-text').click();
        document.getElementById('lost').hidden = false;
    }""",
    "the dialog, and a test rehearsed": """async () => {
        document.getElementById('open-test').click();
        document.getElementById('test-to').value = 'ada@example.com';
        document.querySelector('#test-form [type=submit]').click();
        while (!document.getElementById('test-outcome').dataset.accepted) await new Promise(requestAnimationFrame);
    }""",
}


def test_axe_finds_nothing_against_the_preview_whatever_is_open(glass: Glass, preview: PreviewServer):
    seen = glass.look_at(preview.url, "#findings button", STEPS)
    assert len(seen) == 1 + len(STEPS)
    assert {name: look for name, look in seen.items() if look != FLAWLESS} == {}
