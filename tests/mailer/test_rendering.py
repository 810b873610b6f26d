import io
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from lxml import html as lxml_html
from PIL import Image as Pillow

from mailer.issues import IssueError, read_issue
from mailer.newsletter import Newsletter, read_newsletters
from mailer.rendering import RenderedIssue, render_issue

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = (ROOT / "../shared/issues").resolve()
BASE = "https://news.example.com"
ISSUES = sorted(path for path in ARCHIVE.rglob("*.md") if path.name != "SOURCE.md")


def png(width: int = 40, height: int = 20) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (width, height), "#0f766e").save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def weekly(tmp_path: Path) -> Newsletter:
    return Newsletter(
        label="weekly",
        name="The Weekly",
        from_email="editor@news.example.com",
        from_name="The Weekly",
        postal_address="1 Harbour Street, Springfield",
        source_url="https://git.example.com/weekly/",
        folder=tmp_path,
    )


@pytest.fixture
def rendered(tmp_path: Path, weekly: Newsletter):
    def render(body: str, newsletter: Newsletter = weekly) -> RenderedIssue:
        (tmp_path / "newsletter.toml").touch()
        (tmp_path / "issues").mkdir(exist_ok=True)
        path = tmp_path / "issues" / "2026-11-15.md"
        path.write_text(body, encoding="utf-8")
        return render_issue(read_issue(path), newsletter, base_url=BASE)

    return render


def test_the_mail_carries_title_sections_and_the_way_out(rendered):
    mail = rendered(
        "# One & <two>\n\nHello.\n\n## News\n\n- [Pi | Heart](https://a.example/1)  \nShort.\n\n## Past\n\nx\n"
    )

    page = lxml_html.document_fromstring(mail.html)
    assert mail.subject == "One & <two>"
    assert [heading.text_content() for heading in page.iter("h1")] == ["One & <two>"]
    assert [heading.text_content() for heading in page.iter("h2")] == ["News", "Past"]
    assert "News (1) · Past" in page.text_content()
    assert "15 November 2026" in mail.html
    token = mail.placeholders["unsubscribe"]
    assert re.fullmatch("zq[0-9a-f]{16}", token)
    assert mail.html.count(f'href="{token}"') == 1
    assert mail.text.count(token) == 1
    assert "1 Harbour Street" in mail.html
    assert "1 Harbour Street" in mail.text


def test_the_same_source_gives_the_same_bytes(rendered):
    body = "# T\n\nHello.\n\n## A\n\nb\n"

    assert rendered(body) == rendered(body)


def test_the_words_around_a_chinese_issue_are_chinese(rendered):
    mail = rendered("---\nlanguage: zh-hans\nnumber: 3\n---\n# 简报\n\n你好\n\n## 甲\n\n一\n\n## 乙\n\n二\n")

    assert 'lang="zh-Hans"' in mail.html
    for words in ("2026 年 11 月 15 日 · 第 3 期", "本期内容", "一键退订"):
        assert words in mail.html
    assert "你收到这封邮件" in mail.text


def test_the_preheader_is_the_editors_or_the_first_words(rendered):
    assert rendered("---\npreheader: Mine.\n---\n# T\n\nHello.\n").preheader == "Mine."
    assert rendered("# T\n\n" + "word " * 60).preheader == " ".join(["word"] * 21) + "…"


def test_an_image_of_the_folder_is_served_from_the_installation(rendered, tmp_path):
    (tmp_path / "logo.png").write_bytes(png(1200, 600))

    mail = rendered("# T\n\n![A logo](../logo.png)\n")

    (image,) = mail.images
    assert (image.width, image.height, image.content_type) == (1200, 600, "image/png")
    assert f'src="{BASE}/media/{image.sha256}.png"' in mail.html
    assert 'width="576" height="288"' in mail.html
    assert "[A logo]" in mail.text


def test_the_hash_of_the_source_follows_its_images(rendered, tmp_path):
    (tmp_path / "logo.png").write_bytes(png(10, 10))
    before = rendered("# T\n\n![](../logo.png)\n")
    (tmp_path / "logo.png").write_bytes(png(11, 11))

    assert rendered("# T\n\n![](../logo.png)\n").source_sha256 != before.source_sha256


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("![x](none.png)", 'got "none.png", and there is no such file'),
        ("![x](../../secret.png)", "outside of the newsletter's folder"),
        ("![x](../link.png)", "outside of the newsletter's folder"),
        ("![x](/etc/passwd)", "no such file"),
        ("![x](../text.png)", "not a PNG, JPEG or GIF"),
        ("![x](../drawing.svg)", "is SVG"),
        ("![x](../half.png)", "is damaged"),
        ("![x](../bomb.png)", "too many pixels"),
        ("![x](../huge.png)", "larger than 5 MB"),
        ("![x](http://a.example/x.png)", "mail clients can reach"),
        ("![x](data:image/png;base64,AAAA)", "mail clients can reach"),
        ("[x](javascript:alert(1))", 'do not open "javascript:"'),
        ("[x](<java\tscript:alert(1)>)", 'do not open "javascript:"'),
        ("[x](data:text/html,hi)", 'do not open "data:"'),
        ("[x](../../../up.md)", "leads out of the newsletter's folder"),
        ("[x](https://)", "is not a web address"),
    ],
)
def test_what_cannot_work_in_a_mail_is_refused_with_its_place(rendered, tmp_path, written, says):
    outside = tmp_path.parent / f"{tmp_path.name}-secret.png"
    outside.write_bytes(png())
    (tmp_path / "link.png").symlink_to(outside)
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "half.png").write_bytes(png(300, 300)[:-60])
    bomb = bytearray(png())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(fix_header(bytes(bomb)))
    (tmp_path / "huge.png").write_bytes(png() + b"\0" * 5 * 1024 * 1024)

    with pytest.raises(IssueError) as error:
        rendered(f"---\ntitle: T\n---\n\nSee {written}.\n")

    assert says in str(error.value)
    assert f"2026-11-15.md:5:{5} " in str(error.value)


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


def test_a_relative_link_without_a_public_folder_is_refused(rendered, weekly, tmp_path):
    from dataclasses import replace

    with pytest.raises(IssueError, match="source_url"):
        rendered("# T\n\n[a](old.md)\n", replace(weekly, source_url=""))


def test_a_link_that_leads_nowhere_keeps_its_words(rendered):
    mail = rendered("# T\n\n[empty]() [here](#there) [var]({{base}}1) end\n")

    assert "empty here var end" in mail.html
    assert len(mail.remarks) == 3


def test_a_remote_image_gets_a_width(rendered):
    mail = rendered("# T\n\n![a](https://i.example/l/88x31.png) ![b](https://i.example/b.png)\n")

    widths = [image.get("width") for image in lxml_html.document_fromstring(mail.html).iter("img")]
    assert widths == ["88", "560"]


def test_code_and_braces_arrive_as_they_were_written(rendered):
    mail = rendered("# T\n\n```\nif a < b:\n\n    return {{ c }}  # {% x %}\n```\n")

    assert "if a &lt; b:\n\n    return {{ c }}  # {% x %}" in mail.html


def test_an_issue_that_holds_a_placeholder_gets_another(rendered):
    first = rendered("# T\n\nhello\n").placeholders["unsubscribe"]
    mail = rendered(f"# T\n\nhello {first}\n")

    assert mail.html.count(mail.placeholders["unsubscribe"]) == 1
    assert first in mail.html


def test_a_mail_that_gmail_would_clip_is_refused(rendered):
    with pytest.raises(IssueError, match="102,400"):
        rendered("# T\n\n" + "A long story without an end. " * 4000)


def test_an_issue_with_nothing_but_a_title_is_refused(rendered):
    with pytest.raises(IssueError, match="no text"):
        rendered("# T\n\n<!-- later -->\n")


def test_the_starters_issues_render(tmp_path):
    starter = ROOT / "mailer" / "starter"
    newsletter = read_newsletters(starter / "newsletter.toml")["edge-notes"]

    for path in sorted((starter / "issues").glob("*.md")):
        mail = render_issue(read_issue(path, starter / "newsletter.toml"), newsletter, base_url=BASE)
        assert not mail.remarks


@pytest.mark.skipif(not ISSUES, reason="no archive of real issues beside this repository (../shared/issues)")
@pytest.mark.parametrize("path", ISSUES, ids=lambda path: os.path.relpath(path, ARCHIVE))
def test_real_issues_render(path, weekly):
    mail = render_issue(read_issue(path, ARCHIVE / "awesome-embedded-ai" / "newsletter.toml"), weekly, base_url=BASE)

    page = lxml_html.document_fromstring(mail.html.encode())
    assert page.body.text_content().strip()
    assert not re.search(r"slot[0-9a-f]{16}x", mail.html)
    assert all(image.get("width") and image.get("src", "").startswith("https://") for image in page.iter("img"))
    assert all(image.get("alt") is not None for image in page.iter("img"))


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
