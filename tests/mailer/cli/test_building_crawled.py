"""Import an archive, search it, build it, and follow every link of what was built: none leads nowhere."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urlsplit

import pytest
from lxml import html

from mailer.archive import listing
from mailer.config.newsletter import read_newsletters
from tests.mailer.quality.mails import ARCHIVE, NO_ARCHIVE

pytestmark = pytest.mark.django_db(transaction=True)

BASE = "https://news.example.com"
TOML = """[newsletters.{label}]
name = "{name}"
from_email = "news@news.example.com"
postal_address = "1 Example Street"
language = "{language}"
list_id = "{label}.news.example.com"
timezone = "Asia/Shanghai"
source_url = "https://git.example.com/{label}/"
"""
# What a stranger's folder may have: links between files, former addresses, anchors, odd names and characters.
INVENTED = {
    "2019/Größe & Maß.md": """---
date: 2019-12-31
language: de
---
# Größe und Maß

Über [模型](../2020-01-01.md#模型).
""",
    "2020-01-01.md": """---
language: zh-hans
aliases: [/2020/boards.html, boards]
---
# 芯片

## 模型

模型压缩 and [a > b](2021-05-01/index.md "a > b").

![A < b > c](board.png "1 > 0")
""",
    "2021-05-01/index.md": """# マイコン

小さなマイコンの話, [former](/2020/boards.html), [list](https://news.example.com/archive/),
[a year](https://news.example.com/archive/?year=2019) and [again](#again).

## Again

Twice.
""",
    "2022-02-02.md": """# Years

[Feed](https://news.example.com/feed.xml), [last](https://news.example.com/archive/?year=2022).
""",
    "search.md": """---
date: 2022-03-03
---
# Search

An issue that is called like a page.
""",
}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63606060f80f0001040100"
    "5fe5c34b0000000049454e44ae426082"
)


@dataclass
class Crawl:
    """What the links of a built archive lead to."""

    folder: Path
    links: int = 0  # to files of it
    broken: list[tuple[str, str]] = field(default_factory=list)  # page, link
    reached: set[str] = field(default_factory=set)  # from index.html

    def follow(self) -> "Crawl":
        for file in sorted(self.folder.rglob("*.html")):
            self._page(file.relative_to(self.folder).as_posix())
        self._reach("index.html")
        return self

    def _page(self, path: str) -> None:
        for address in self._addresses(path):
            target = self._target(path, address)
            self.links += target is not None
            if target is not None and not self._is_there(target, urlsplit(address).fragment):
                self.broken.append((path, address))

    def _addresses(self, path: str) -> Iterator[str]:
        page = html.document_fromstring((self.folder / path).read_bytes())
        for element, attribute, address, _ in page.iterlinks():
            if not (element.tag == "link" and element.get("rel") == "canonical"):
                yield address
            assert attribute in ("href", "src", "action", "content"), attribute

    def _target(self, path: str, address: str) -> str | None:
        """Return the file that the address means; None for another site, or a page that only a server has."""
        if address.startswith(f"{BASE}/") and urlsplit(address).path not in ("/subscribe/",):
            return f"only on the server: {address}"
        if re.match(r"[a-z]+:", address):
            return None
        return normpath(join(dirname(path), unquote(urlsplit(address).path))) if urlsplit(address).path else path

    def _is_there(self, target: str, fragment: str) -> bool:
        file = self.folder / target
        if target.startswith("..") or not file.is_file():
            return False
        if not fragment or file.suffix != ".html":
            return True
        page = html.document_fromstring(file.read_bytes())
        return unquote(fragment) in {*page.xpath("//@id"), *page.xpath("//a/@name")}

    def _reach(self, path: str) -> None:
        waiting = [path]
        while waiting:
            one = waiting.pop()
            if one in self.reached or not one.endswith(".html"):
                continue
            self.reached.add(one)
            targets = (self._target(one, address) for address in self._addresses(one))
            waiting += [target for target in targets if target and (self.folder / target).is_file()]


def built(run, folder: Path, settings, *ignored: str) -> Path:
    """Import what is in the folder and build the archive, with the commands that an editor types."""
    settings.BASE_URL = BASE
    settings.CONFIG, settings.CONFIG_FOLDER = folder / "newsletter.toml", folder
    settings.NEWSLETTERS = read_newsletters(folder / "newsletter.toml")
    ran = run("archive", "import", folder, "--yes", *(f"--ignore={rule}" for rule in ignored))
    assert ran.code == 0, ran.err
    out = folder.parent / "site"
    ran = run("archive", "build", out)
    assert ran.code == 0, ran.err
    return out


def found(run, *words: str) -> list[str]:
    return [one["slug"] for one in json.loads(run("archive", "search", *words, "--json").out)["issues"]]


def searched(folder: Path) -> set[str]:
    """Return the pages that the search in the browser leads to."""
    shards = [(path.read_text("utf-8"), path) for path in (folder / "search").glob("*.js")]
    rows = [row for text, _ in shards for row in json.loads(text.removeprefix("archive.take(").removesuffix(");\n"))]
    return {f"{row[0]}/index.html" for row in rows}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Write a newsletter's folder of five issues, in subfolders, with an image."""
    made = tmp_path / "newsletter"
    for name, text in INVENTED.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (made / "board.png").write_bytes(PNG)
    (made / "newsletter.toml").write_text(TOML.format(label="boards", name="Boards > bits", language="en"), "utf-8")
    return made


def test_every_link_of_an_imported_archive_leads_somewhere(run, folder, settings, monkeypatch):
    monkeypatch.setattr(listing, "ENOUGH", 2)
    crawl = Crawl(built(run, folder, settings)).follow()
    assert crawl.broken == []
    assert crawl.links > 100
    pages = {f"{slug}/index.html" for slug in ("größe-maß", "2020-01-01", "2021-05-01", "2022-02-02", "search")}
    assert searched(crawl.folder) == pages
    assert pages | {"index.html", "years/2021.html", "years/2019.html", "search.html"} <= crawl.reached
    assert (found(run, "芯"), found(run, "マイコン"), found(run, "über", "mass")) == (
        ["2020-01-01"],
        ["2021-05-01"],
        ["größe-maß"],
    )


def test_the_crawler_sees_what_leads_nowhere(run, folder, settings):
    site = built(run, folder, settings)
    (site / "2021-05-01" / "index.html").unlink()
    page = site / "2022-02-02" / "index.html"
    page.write_text(page.read_text().replace("<article", '<a href="#nowhere">a</a><img src="../../x.png"><article'))
    broken = Crawl(site).follow().broken
    assert ("2022-02-02/index.html", "#nowhere") in broken
    assert ("2022-02-02/index.html", "../../x.png") in broken
    assert ("2020-01-01/index.html", "../2021-05-01/index.html") in broken


# Folder → issues, and words in three languages with how many issues have them.
REAL = {
    "awesome-embedded-ai": (14, {"模型压缩": 14, "芯片": 14, "quantization": 5}),
    "bitcoin-optech": (3, {"トランザクション": 1, "Knoten": 1, "taproot": 3}),
    "this-week-in-rust": (3, {"borrow": 2, "lifetimes": 1, "Rust crate": 3}),
}


@pytest.mark.skipif(not ARCHIVE.is_dir(), reason=NO_ARCHIVE)
@pytest.mark.parametrize("name", REAL)
def test_real_archives_have_no_broken_link(run, tmp_path, settings, name):
    number, queries = REAL[name]
    folder = tmp_path / "newsletter"
    shutil.copytree(ARCHIVE / name, folder, ignore=shutil.ignore_patterns("versions", "SOURCE.md"))
    if not (folder / "newsletter.toml").exists():
        (folder / "newsletter.toml").write_text(TOML.format(label="copied", name=name, language="en"), "utf-8")
    crawl = Crawl(built(run, folder, settings)).follow()
    assert crawl.broken == []
    assert crawl.links > 30 * number
    assert len(searched(crawl.folder)) == number
    assert searched(crawl.folder) <= crawl.reached
    assert {query: len(found(run, *query.split())) for query in queries} == queries
