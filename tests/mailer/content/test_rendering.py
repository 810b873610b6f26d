import io
import os
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from lxml import html as lxml_html
from PIL import Image as Pillow

from mailer.config.newsletter import read_newsletters
from mailer.content.issues import read_issue
from mailer.content.rendering import render_issue

ROOT = Path(__file__).resolve().parents[3]
ARCHIVE = (ROOT / "../shared/issues").resolve()
BASE = "https://news.example.com"
ISSUES = sorted(path for path in ARCHIVE.rglob("*.md") if path.name != "SOURCE.md")


def png(width: int = 40, height: int = 20) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (width, height), "#0f766e").save(file, "PNG")
    return file.getvalue()


def test_the_mail_carries_title_sections_and_the_way_out(rendered):
    mail = rendered(
        "# One & <two>\n\nHello.\n\n## News\n\n- [Pi | Heart](https://a.example/1)  \nShort.\n\n## Past\n\nx\n"
    )

    page = lxml_html.document_fromstring(mail.html)
    assert mail.subject == "One & <two>"
    assert [heading.text_content() for heading in page.iter("h1")] == ["One & <two>"]
    assert [heading.text_content() for heading in page.iter("h2")] == ["News", "Past"]
    assert "News (1)\xa0· Past" in page.text_content()
    assert "15 November 2026" in mail.html
    token = mail.placeholders["unsubscribe"]
    assert re.fullmatch("zq[0-9a-f]{16}", token)
    assert mail.html.count(f'href="{token}"') == 1
    assert mail.html.count(f'href="{token}?preferences"') == 1
    assert mail.text.count(token) == 2
    assert "1 Harbour Street" in mail.html
    assert "1 Harbour Street" in mail.text


def test_the_same_source_gives_the_same_bytes(rendered):
    body = "# T\n\nHello.\n\n## A\n\nb\n"

    assert rendered(body) == rendered(body)


def test_the_frame_of_a_chinese_issue_is_chinese(rendered):
    mail = rendered("---\nlanguage: zh-hans\nnumber: 3\n---\n# 简报\n\n你好\n\n## 甲\n\n一\n\n## 乙\n\n二\n")

    assert 'lang="zh-Hans"' in mail.html
    for words in ("2026 年 11 月 15 日 · 第 3 期", "本期内容", "一键退订"):
        assert words in mail.html
    assert "你收到这封邮件" in mail.text


def test_the_preheader_is_the_editors_or_the_first_words(rendered):
    assert rendered("---\npreheader: Mine.\n---\n# T\n\nHello.\n").preheader == "Mine."
    assert rendered("# T\n\n" + "word " * 60).preheader == " ".join(["word"] * 21) + "…"
    assert rendered("# T\n\nDo ~~not~~ mix <del>it</del>.\n").preheader == "Do ~~not~~ mix ~~it~~."


def test_a_banner_or_a_link_above_the_text_is_no_preheader_unless_there_is_nothing_else(rendered):
    banner = "# T\n\n![A banner](https://a.example/1x1.png)\n\n**[Read online](https://a.example/)** | [More](https://b.example/)"
    assert (
        rendered(f"{banner}\n\nSee [the boards](https://c.example/) of spring.\n").preheader
        == "See the boards of spring."
    )
    assert rendered(f"{banner}\n").preheader == "A banner Read online"
    assert rendered("# T\n\n- [One](https://a.example/)\n- [Two](https://b.example/)\n").preheader == "One Two"


def test_an_image_of_the_folder_is_served_from_the_installation(rendered, tmp_path):
    (tmp_path / "logo.png").write_bytes(png(1200, 600))

    mail = rendered("# T\n\n![A logo](../logo.png)\n")

    (image,) = mail.images
    assert (image.width, image.height, image.content_type) == (1200, 600, "image/png")
    assert f'src="{BASE}/media/{image.sha256}.png"' in mail.html
    assert 'width="576" height="288"' in mail.html
    assert 'height="50" width="100"' in rendered("# T\n\n![A logo](../logo.png =x50)\n").html
    assert "[A logo]" in mail.text


def test_the_hash_of_the_source_follows_its_images(rendered, tmp_path):
    (tmp_path / "logo.png").write_bytes(png(10, 10))
    before = rendered("# T\n\n![](../logo.png)\n")
    (tmp_path / "logo.png").write_bytes(png(11, 11))

    assert rendered("# T\n\n![](../logo.png)\n").source_sha256 != before.source_sha256


@pytest.mark.parametrize(
    ("written", "rule", "says"),
    [
        ("![x](none.png)", "image-missing", 'got "none.png", and there is no such file'),
        ("![x](../../secret.png)", "image-missing", "outside the newsletter's folder"),
        ("![x](../link.png)", "image-missing", "outside the newsletter's folder"),
        ("![x](/etc/passwd)", "image-missing", "no such file"),
        ("![x](../text.png)", "image-unreadable", "not a PNG, JPEG, GIF, WebP, AVIF or SVG"),
        ("![x](../drawing.svg)", "image-unreadable", "has no size"),
        ("![x](../half.png)", "image-unreadable", "is damaged"),
        ("![x](../bomb.png)", "image-too-large", "too many pixels"),
        ("![x](../huge.png)", "image-too-large", "larger than"),
        ("![x](data:image/png;base64,AAAA)", "unsafe-target", "email clients show no image"),
        ("[x](javascript:alert(1))", "unsafe-target", 'do not open "javascript:"'),
        ("[x](<java\tscript:alert(1)>)", "unsafe-target", 'do not open "javascript:"'),
        ("[x](data:text/html,hi)", "unsafe-target", 'do not open "data:"'),
        ("[x](../../../up.md)", "relative-left", "leads outside the newsletter's folder"),
        ("[x](https://)", "relative-left", "is not a web address"),
    ],
)
def test_what_cannot_work_in_a_mail_is_found_with_its_place(rendered, tmp_path, written, rule, says):
    outside = tmp_path.parent / f"{tmp_path.name}-secret.png"
    outside.write_bytes(png())
    (tmp_path / "link.png").symlink_to(outside)
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "half.png").write_bytes(png(300, 300)[:-60])
    bomb = bytearray(png())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(fix_header(bytes(bomb)))
    (tmp_path / "huge.png").write_bytes(png() + b"\0" * 10 * 1024 * 1024)

    mail = rendered(f"---\ntitle: T\n---\n\nSee {written}.\n")

    (found,) = mail.findings
    assert (found.line, found.column, found.rule, found.severity) == (5, 5, rule, "error")
    assert says in found.message
    assert "See x." in mail.html
    assert "See x." in mail.text


def fix_header(content: bytes) -> bytes:
    import zlib

    return content[:29] + zlib.crc32(content[12:29]).to_bytes(4, "big") + content[33:]


def test_relative_links_lead_to_the_public_folder(rendered, weekly):
    mail = rendered("# T\n\n[a](old.md) [b](../x y.md) [c](/docs/#k) [m](mailto:a@b.example)\n\n[d](<../é.md>)\n")

    hrefs = {link.get("href") for link in lxml_html.document_fromstring(mail.html).iter("a")}
    assert {
        "https://git.example.com/weekly/issues/old.md",
        "https://git.example.com/weekly/docs/#k",
        "mailto:a@b.example",
        "https://git.example.com/weekly/%C3%A9.md",
    } <= hrefs


def test_a_relative_link_without_a_public_folder_becomes_text(rendered, weekly):
    mail = rendered("# T\n\nsee [a](old.md).\n", replace(weekly, source_url=""))

    assert "see a." in mail.html
    assert [(found.rule, "source_url" in found.fix) for found in mail.findings] == [("relative-left", True)]


def test_a_link_that_leads_nowhere_keeps_its_text(rendered):
    mail = rendered("# T\n\n[empty]() [here](#there) [var]({{base}}1) end\n")

    assert "empty here var end" in mail.html
    assert [found.rule for found in mail.findings] == ["link-empty", "anchor-broken", "liquid"]


def test_a_remote_image_of_unknown_width_fills_the_column(rendered):
    mail = rendered("# T\n\n![a](https://i.example/l/88x31.png) ![b](https://i.example/b.png)\n")

    widths = [image.get("width") for image in lxml_html.document_fromstring(mail.html).iter("img")]
    assert widths == ["88", "576"]


def test_code_and_braces_arrive_as_they_were_written(rendered):
    mail = rendered("# T\n\n```\nif a < b:\n\n    return {{ c }}  # {% x %}\n```\n")

    assert "if a &lt; b:\n\n    return {{ c }}  # {% x %}" in mail.html


def test_an_issue_that_holds_a_placeholder_gets_another(rendered):
    first = rendered("# T\n\nhello\n").placeholders["unsubscribe"]
    mail = rendered(f"# T\n\nhello {first}\n")

    assert mail.html.count(mail.placeholders["unsubscribe"]) == 2
    assert first in mail.html


def test_a_mail_that_gmail_would_clip_is_found(rendered):
    (found,) = rendered("# T\n\n" + "A long story without an end. " * 4000).findings

    assert (found.rule, found.severity) == ("size-limit", "error")
    assert "102,400" in found.message


@pytest.mark.parametrize("body", ["# T\n\n<!-- later -->\n", "---\ntitle: T\n---\n \n", "# T\n\n## A\n\n## B\n"])
def test_an_issue_with_nothing_but_headings_is_found_empty(rendered, body):
    assert ("empty-body", "error") in {(found.rule, found.severity) for found in rendered(body).findings}


def test_the_starters_issues_render(tmp_path):
    starter = ROOT / "mailer" / "starter"
    newsletter = read_newsletters(starter / "newsletter.toml")["edge-notes"]

    for path in sorted((starter / "issues").glob("*.md")):
        mail = render_issue(read_issue(path, starter / "newsletter.toml"), newsletter, base_url=BASE)
        assert not mail.findings


@pytest.mark.skipif(not ISSUES, reason="no archive of real issues beside this repository (../shared/issues)")
@pytest.mark.parametrize("path", ISSUES, ids=lambda path: os.path.relpath(path, ARCHIVE))
def test_real_issues_render(path, weekly):
    mail = render_issue(read_issue(path, ARCHIVE / "awesome-embedded-ai" / "newsletter.toml"), weekly, base_url=BASE)

    page = lxml_html.document_fromstring(mail.html.encode())
    assert page.body.text_content().strip()
    assert not re.search(r"slot[0-9a-f]{16}x", mail.html)
    assert all(image.get("width") and image.get("src", "").startswith("https://") for image in page.iter("img"))
    assert all(image.get("alt") is not None for image in page.iter("img"))


@pytest.mark.django_db
def test_render_writes_html_text_and_images(tmp_path):
    from mailer.cli.rendering import render

    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "issue.md").write_text("# T\n\n![x](a.png)\n")

    result = CliRunner().invoke(
        render, [str(tmp_path / "issue.md"), "-o", str(tmp_path / "out"), "--newsletter", "weekly"]
    )

    assert result.exit_code == 0, result.output
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert {"issue.html", "issue.txt"} < written
    assert any(name.startswith("media/") for name in written)
    assert "/unsubscribe/sample/" in (tmp_path / "out" / "issue.html").read_text()


def test_a_link_to_a_sent_issue_leads_to_its_page_here(rendered, weekly):
    body = "# T\n\n[a](2026-11-01.md#news) [b](../issues/Über%20uns.md) [c](./winter/index.md) [d](2026-10-01.md)\n"
    sent = frozenset({"2026-11-01", "über-uns", "winter"})

    hrefs = [link.get("href") for link in lxml_html.document_fromstring(rendered(body, sent_slugs=sent).html).iter("a")]

    assert hrefs[1:5] == [  # the first is the mail's own page
        f"{BASE}/archive/2026-11-01/#news",
        f"{BASE}/archive/%C3%BCber-uns/",
        f"{BASE}/archive/winter/",
        "https://git.example.com/weekly/issues/2026-10-01.md",
    ]
    other = rendered(body, sent_slugs=sent, archive_url=f"{BASE}/weekly/archive/")
    assert f'href="{BASE}/weekly/archive/winter/"' in other.html


def test_a_link_inside_of_the_issue_leads_to_its_heading(rendered):
    mail = rendered("# T\n\n[n](#good-news) [p](#place)\n\n## Good news!\n\nx <a name='place'></a>\n\n### Sub\n\ny\n")

    assert '<h2 id="good-news"' in mail.html
    assert 'href="#good-news"' in mail.html
    assert 'id="place"' in mail.html
    assert not mail.findings


def test_the_title_of_a_lonely_image_is_its_caption(rendered, tmp_path):
    (tmp_path / "a.png").write_bytes(png())

    mail = rendered('# T\n\n![Alt](../a.png "The caption")\n')

    assert re.search(r'<p class="caption"[^>]*>The caption</p>', mail.html)
    assert "[Alt]\n\nThe caption" in mail.text


def test_code_is_coloured_in_both_modes(rendered):
    mail = rendered('# T\n\n```python\ndef f(x):  # why\n    return "a<b"\n```\n')

    assert re.search(r'<span class="hk" style="color:#\w{6}">def</span>', mail.html)
    assert re.search(r'<span class="hs"[^>]*>"a&lt;b"</span>', mail.html)
    assert "@media (prefers-color-scheme: dark)" in mail.html
    for name in ("hk", "hs", "hn", "hc", "hf"):
        assert f".ink .{name} {{ color: #" in mail.html
        assert f"[data-ogsc] .ink .{name} {{ color: #" in mail.html
    assert '    def f(x):  # why\n        return "a<b"' in mail.text


def test_paragraphs_that_read_from_right_to_left_say_so(rendered):
    mail = rendered("# T\n\nשלום עולם world\n\nhello עולם\n\n- ערבית\n\n> مرحبا\n\n<p dir='rtl'>raw</p>\n")

    page = lxml_html.document_fromstring(mail.html)
    marked = {element.tag: element.text_content().strip() for element in page.body.xpath("//*[@dir='rtl']")}
    assert marked["ul"] == "ערבית"
    assert marked["blockquote"] == "مرحبا"
    mixed = [p.get("dir") for p in page.iter("p") if p.text_content() in ("שלום עולם world", "hello עולם")]
    assert mixed == ["rtl", None]


def test_text_has_no_line_that_mail_servers_would_break(rendered):
    mail = rendered("# T\n\n" + "word " * 800 + "\n\n" + "字" * 900 + "\n\n" + "x" * 3000 + "\n")

    assert max(len(line.encode()) for line in mail.text.split("\n")) <= 998
    assert mail.text.replace("\n", "").count("字") == 900


def test_an_editor_can_override_a_template(tmp_path, settings, rendered):
    (tmp_path / "mine" / "email" / "issue").mkdir(parents=True)
    (tmp_path / "mine" / "email" / "issue" / "footer.html").write_text("<p>My own footer {{ unsubscribe }}</p>")
    settings.TEMPLATES = [
        {**engine, "DIRS": [tmp_path / "mine", *engine.get("DIRS", [])]} for engine in settings.TEMPLATES
    ]

    assert "My own footer zq" in rendered("# T\n\nx\n").html


@pytest.mark.skipif(not ISSUES, reason="no archive of real issues beside this repository (../shared/issues)")
def test_real_issues_stay_small():
    newsletter = next(iter(read_newsletters(ARCHIVE / "awesome-embedded-ai" / "newsletter.toml").values()))
    for path in (ARCHIVE / "awesome-embedded-ai").rglob("20*.md"):
        issue = read_issue(path, ARCHIVE / "awesome-embedded-ai" / "newsletter.toml")
        mail = render_issue(issue, newsletter, base_url=BASE)
        assert len(mail.html.encode()) <= 64_000, path
        assert sum(map(len, re.findall(r"<style.*?</style>", mail.html, re.DOTALL))) <= 8_000


@pytest.mark.django_db
def test_render_tells_findings_and_still_writes(tmp_path):
    from mailer.cli.rendering import render

    (tmp_path / "issue.md").write_text("# T\n\nsee ![x](none.png)\n")
    arguments = [str(tmp_path / "issue.md"), "-o", str(tmp_path / "out"), "--newsletter", "weekly"]

    result = CliRunner().invoke(render, arguments)

    assert result.exit_code == 3
    assert f"{tmp_path / 'issue.md'}:3:5 error image-missing image needs" in result.stderr
    assert (tmp_path / "out" / "issue.html").exists()


@pytest.mark.skipif(not ISSUES, reason="no archive of real issues beside this repository (../shared/issues)")
def test_mail_clients_know_what_the_mail_uses():
    from tests.client_support import support

    config = ARCHIVE / "awesome-embedded-ai" / "newsletter.toml"
    newsletter = next(iter(read_newsletters(config).values()))
    seed = ARCHIVE / "awesome-embedded-ai" / "embedded-ai-report" / "2019-06-29.md"
    share = support(render_issue(read_issue(seed, config), newsletter, base_url=BASE).html).share

    assert share["all"] >= 0.77
    assert share["gmail"] >= 0.82
    assert share["apple"] >= 0.97
    assert share["outlook-windows"] >= 0.65


@pytest.mark.parametrize(
    ("heading", "anchor"), [("Über uns", "über-uns"), ("新闻", "新闻"), ("日本語 の", "日本語-の")]
)
def test_a_contents_list_leads_to_headings_of_any_script(rendered, heading, anchor):
    mail = rendered(f"# T\n\n[x](#{anchor})\n\n## {heading}\n\nText.\n\n## More\n\nText.\n")

    page = lxml_html.document_fromstring(mail.html)
    assert mail.findings == ()
    assert page.xpath(f"//h2[@id='{anchor}']")
    assert any(unquote(link) == f"#{anchor}" for link in page.xpath("//a/@href"))


@pytest.mark.parametrize(
    ("language", "title", "way"),
    [("ar", "مرحبا", None), ("ar", "Hello", "ltr"), ("en", "مرحبا", "rtl"), ("en", "Hello", None)],
)
def test_the_titles_of_issue_and_sections_read_in_their_own_direction(rendered, language, title, way):
    mail = rendered(f"---\nlanguage: {language}\n---\n# {title}\n\n## {title}\n\nx\n\n## 2\n\ny\n")

    page = lxml_html.document_fromstring(mail.html)
    assert page.find(".//h1").get("dir") == way
    assert page.find(".//h2").get("dir") is None, "it stays below its bar"
    assert [one.get("dir") for one in page.find(".//h2").iter("span")] == ([way] if way else [])


@pytest.mark.parametrize(("language", "side"), [("ar", "right"), ("en", "left")])
def test_the_masthead_stays_on_its_side_on_phones(rendered, language, side):
    mail = rendered(f"---\nlanguage: {language}\n---\n# T\n\nx\n")

    assert f"width: 100% !important; text-align: {side} !important" in mail.html
