"""The archive as files, opened by a browser without a server: it finds words of any length, and looks as it should."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from mailer.web.static_archive import StaticArchive
from tests.mailer.archived import archived
from tests.mailer.published import published
from tests.mailer.quality.glass import FLAWLESS, Glass

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# What is typed → the issues that it finds, in order.
FINDS = {
    "芯": ["2026-11-13", "2026-11-20"],  # in the title first
    "芯片": ["2026-11-13"],
    "模型压缩": ["2026-11-20"],
    "型压": ["2026-11-20"],
    "マイコン": ["2019-06-29"],
    "quant": ["2026-11-20"],
    "antization": [],  # not the beginning of a word
    "CAFÉ": ["2026-11-20"],
    "cafe": ["2026-11-20"],
    "ｑｕａｎｔ": ["2026-11-20"],
    "模型 quantization": ["2026-11-20"],
    "模型 マイコン": [],
    "芯片quant": [],
    "ca": [],  # two letters are a word, not its beginning
    "in": ["2026-11-20"],
    "compilers": ["2026-11-20", "2026-11-13"],  # in the preheader
    '"': [],
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Write an archive of three issues."""
    published("2026-11-13", subject="芯片 weekly", article="<p>Nothing</p>", language="zh-hans")
    published(
        "2026-11-20",
        article="<p>芯 模型压缩 and <b>quantization</b> in a café &lt;img src=x&gt;</p>",
        language="zh-hans",
    )
    archived("2019-06-29", article="<p>小さなマイコンの話</p>", language="ja")
    for path, content in StaticArchive(settings.NEWSLETTERS["weekly"]).files():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path


def test_it_finds_words_of_any_length(glass: Glass, folder: Path):
    def steps(page: Any) -> dict[str, list[str]]:
        failed: list[str] = []
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        found = {}
        page.goto((folder / "index.html").as_uri())
        for query in FINDS:
            page.locator("#q").fill(query)
            page.locator("#q").press("Enter")
            page.wait_for_function("document.getElementById('found')?.textContent")
            links = page.locator("#results a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
            found[query] = [link.removesuffix("/index.html") for link in links]
        assert failed == []
        return found

    assert glass.walk(steps) == FINDS


def test_nothing_is_loaded_before_somebody_asks_and_then_each_year_once(glass: Glass, folder: Path):
    def steps(page: Any) -> Any:
        loaded: list[str] = []
        page.on("request", lambda request: loaded.extend([request.url] if "/search/" in request.url else []))
        page.goto((folder / "search.html").as_uri())
        page.wait_for_load_state("networkidle")
        before = len(loaded)
        for query in ("quant", "芯"):
            page.locator("#q").fill(query)
            page.locator("#q").press("Enter")
            page.wait_for_function("document.getElementById('found').textContent.includes(': ')")
        return before, [url.rpartition("/")[2] for url in loaded], page.locator("#results li").count()

    assert glass.walk(steps) == (0, ["2026.js", "2019.js"], 2)


def test_what_is_found_is_marked_and_runs_nothing(glass: Glass, folder: Path):
    def steps(page: Any) -> Any:
        page.goto(f"{(folder / 'search.html').as_uri()}?q=quantization")
        page.locator("#results mark").wait_for()
        return page.locator("#results mark").all_text_contents(), page.locator("#results img").count()

    assert glass.walk(steps) == (["quantization"], 0)


def test_a_result_has_its_day_in_words_and_what_the_list_says_if_only_its_title_is_found(glass: Glass, folder: Path):
    def steps(page: Any) -> Any:
        page.goto(f"{(folder / 'search.html').as_uri()}?q=芯片")
        page.locator("#results mark").wait_for()
        return page.locator("#results time").all_text_contents(), page.locator("#results p").all_text_contents()

    assert glass.walk(steps) == (["13 November 2026"], ["boards and compilers"])


def test_without_javascript_it_says_what_it_needs(glass: Glass, folder: Path):
    def steps(page: Any) -> str:
        page.goto((folder / "search.html").as_uri())
        return str(page.locator("#found").inner_text())

    assert glass.walk(steps, scripts=False) == "Searching needs JavaScript here."


@pytest.mark.parametrize("path", ["index.html", "2026-11-20/index.html", "search.html?q=quant"])
def test_axe_finds_nothing_against_its_pages(glass: Glass, folder: Path, path: str):
    looks = glass.look_at(f"{folder.as_uri()}/{path}", "main", {})
    assert looks == {"at first": FLAWLESS}
