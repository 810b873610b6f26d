# ruff: noqa: E501 — the cases are read as an editor writes them, in one line
"""Every word and link of an issue is in both parts of its email, in order, according to another Markdown parser."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import html
from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin

from mailer.config.newsletter import Newsletter, read_newsletters
from mailer.content.issues import read_issue
from mailer.content.rendering import RenderedIssue, render_issue

ROOT = Path(__file__).resolve().parents[3]
ARCHIVE = (ROOT / "../shared/issues").resolve()
ISSUES = sorted(path for path in ARCHIVE.rglob("*.md") if path.name != "SOURCE.md")
BASE = "https://news.example.com"

HARD = {
    "bold beside wide characters": "文字**「引用」**文字，**加粗：**后面 __也__ ***三***。",
    "nested emphasis": "a ***b** c* and **d *e* f** and `**g**` ~~h~~",
    "links with everything": '[a *b* `c`](https://a.example/x_(y)_z "t") [d](<https://a.example/e f>) [g][] ![h](i.png)\n\n[g]: https://g.example/?a=1&b=2#c',
    "bare addresses": "See https://a.example/b，then http://b.example/c. And (https://c.example/d) <https://e.example> <x@y.example>",
    "tables": "| a | 名 | c |\n|:--|:-:|--:|\n| 1 | [two](https://t.example) | `3|4` |\n| a very long cell, longer than any screen that it might be shown on | x | y |",
    "tasks": "- [ ] open\n- [x] done\n  - [ ] inside",
    "footnotes": "one[^1] two[^long name] three^[inline *note*]\n\n[^1]: first [link](https://f.example)\n[^long name]:\n    second\n\n    more of it",
    "lists": "1. a\n2. b\n   - c\n\n     d\n   - e\n     ```\n     f\n     ```\n3. g\n\n7) h\n* i\n+ j",
    "lazy lines": "> a\nb\n\n- c\nd\n\n  e",
    "a list right after a paragraph": "Text\n- a\n- b\n1. c",
    "code": "```rust\nfn main() -> Vec<T> { a < b && c > d; } // e\n```\n\n    indented & <b>\n\n`` a ` b ``",
    "html": "<div align=center><b>bold <i>both</b> after</i></div>\n\n<p>para <br> line <a href='https://h.example'>h</a>\n\nx <kbd>K</kbd> <sub>s</sub> <center>old</center> <font color=red>red</font>",
    "html tables": "<table><tr><td>a<td><a href=https://t.example/1>b</a><tr><th>c</table>",
    "details": "<details><summary>Sum</summary>\n\nInside **bold**\n\n</details>",
    "broken html": "<b>never closed\n\n</i> closed only </p> <ul><li>item <p>and a para",
    "entities": "&amp; &copy; &#x4e2d; &notanentity; AT&T a&b &lt;tag&gt;",
    "escapes": r"\*not\* \[x\](y) \\ \# 1\. \`",
    "emoji and spaces": "👩‍👩‍👧‍👦 🇩🇪 é　全角\u00a0nbsp\u200bzero",
    "hard breaks": "a  \nb\\\nc\nd",
    "headings": "Setext\n===\n\ntext\n\nSub\n---\n\nt\n\n### three ###\n\n#### 4\n\nx\n\n# another h1\n\ny",
    "empty things": "[](https://e.example) ![](e.png) **** __ [] ()",
    "stories": "## News\n\n- [A | B](https://s.example/1)  \nline one  \nline two **bold**\n\n  more\n- **[C](https://s.example/2)** | D  \nsummary\n- [E](https://s.example/3)",
    "right to left": "שלום עולם [קישור](https://r.example)\n\n- فارسی\n- عربی",
    "images with captions": '![alt words](i.png "The caption")\n\n[![inside](i.png)](https://l.example)',
    "a long line": "word " * 500 + "\n\n" + "字" * 700,
    "thematic breaks": "a\n\n***\n\nb\n\n- - -\n\nc",
    "windows": "a\r\nb\r\n\r\nc",
}


def vanilla() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": True, "linkify": True})
    md.enable(["table", "strikethrough", "linkify"])
    md.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    return md.use(footnote_plugin)


def source_of(body: str) -> html.HtmlElement:
    body = re.sub(r"\{%-?\s*comment.*?endcomment\s*-?%\}|\{%.*?%\}|\{:[^{}\n]*\}", "", body, flags=re.DOTALL)
    body = re.sub(r"(?m)^(\s*- )\[[ x]\]", lambda found: found[1] + ("☑" if "x" in found[0] else "☐"), body)
    page = html.document_fromstring(f"<html><body>{vanilla().render(body)}</body></html>")
    for gone in page.xpath("//script|//style|//iframe|//*[contains(@class, 'footnote-backref')]"):
        gone.drop_tree()
    for mark in page.xpath("//*[contains(@class, 'footnote-ref')]//text()/.."):
        mark.text = None
    return page.body


def words(element: html.HtmlElement) -> Iterator[str]:
    """Return the runs of visible text, without what the two parsers treat differently around wide characters."""
    for node in element.xpath(".//text()"):
        for line in node.split("\n"):
            for piece in re.split(r"[*_~]+|(?<=[，。；：、）】」])|\[\^?|\]", line):
                if bare := re.sub(r"[\s\u200b]+", "", piece):
                    yield bare


def addresses(element: html.HtmlElement) -> Iterator[str]:
    for link in element.iter("a"):
        href = (link.get("href") or "").strip()
        if re.match(r"(https?|mailto):", href) and "{{" not in href and "%7B%7B" not in href:
            yield re.split(r"[，。；：、）】」]|%EF%BC%8C", href)[0]


def missing(wanted: Iterator[str], found: str) -> list[str]:
    """Return what is not in `found` after what came before it."""
    lost, position = [], 0
    for piece in wanted:
        place = found.find(piece, position)
        if place < 0:
            lost.append(piece)
        else:
            position = place + len(piece)
    return lost


def check(mail: RenderedIssue, body: str) -> None:
    source = source_of(body)
    dropped = "".join(re.findall(r'section "(.*?)" has no text', " ".join(found.message for found in mail.findings)))
    page = html.document_fromstring(mail.html.encode())
    shown = re.sub(r"[\s\u200b*_~]+", "", page.body.text_content())
    text = re.sub(r"[\s\u200b*_~]+", "", mail.text)
    ours = "\n".join(link.get("href", "") for link in page.iter("a"))
    targets = list(addresses(source))

    lost = [piece for piece in missing(words(source), shown) if piece not in re.sub(r"\s", "", dropped)]
    assert lost == []
    lost = [piece for piece in missing(words(source), text) if piece not in re.sub(r"\s", "", dropped)]
    assert lost == []
    assert missing(iter(targets), ours) == []
    assert [
        target for target in targets if target not in mail.text and target.removeprefix("mailto:") not in mail.text
    ] == []
    assert not [found for found in mail.findings if found.message.endswith("would be lost in the email")]


@pytest.fixture
def newsletter(tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 30), "#0f766e").save(tmp_path / "i.png")
    Image.new("RGB", (40, 30), "#0f766e").save(tmp_path / "e.png")
    return Newsletter(
        label="weekly",
        name="The Weekly",
        from_email="editor@news.example.com",
        folder=tmp_path,
        source_url="https://git.example.com/weekly/",
    )


@pytest.mark.parametrize("name", HARD)
def test_markdown_in_the_wild_arrives_whole(name, newsletter, tmp_path):
    path = tmp_path / "issue.md"
    path.write_text(f"---\ntitle: T\n---\n{HARD[name]}\n", encoding="utf-8")

    check(render_issue(read_issue(path), newsletter, base_url=BASE), HARD[name].replace("\r\n", "\n"))


@pytest.mark.skipif(not ISSUES, reason="no archive of real issues beside this repository (../shared/issues)")
@pytest.mark.parametrize("path", ISSUES, ids=lambda path: os.path.relpath(path, ARCHIVE))
def test_real_issues_arrive_whole(path):
    config = ARCHIVE / "awesome-embedded-ai" / "newsletter.toml"
    newsletter = next(iter(read_newsletters(config).values()))
    issue = read_issue(path, config)

    check(render_issue(issue, newsletter, base_url=BASE), issue.body)
