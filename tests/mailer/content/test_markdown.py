import pytest
from markdown_it.helpers import parseLinkDestination

from mailer.content.markdown import MarkupError, Numbers, parse, same_title, split, title_heading, to_html, to_text
from mailer.content.markdown.shortcuts import Helpers


def html(source: str) -> str:
    return to_html(parse(source).tokens)


def text(source: str) -> str:
    return to_text(parse(source).tokens, Numbers())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            '그는 **"안녕"**이라고, **강조(설명)**는',
            '그는 <strong>"안녕"</strong>이라고, <strong>강조(설명)</strong>는',
        ),
        ("**ข้อความ (x)**ต่อ *(참고)*는", "<strong>ข้อความ (x)</strong>ต่อ <em>(참고)</em>는"),
        ("f(**a), g(**b), (a)**2 + (b)**2", "f(**a), g(**b), (a)**2 + (b)**2"),
        ('ו**"שלום"** و**مهم**', 'ו<strong>"שלום"</strong> و<strong>مهم</strong>'),
        ("2*3*4, 2**10 and 2**20, *a*", "2*3*4, 2**10 and 2**20, <em>a</em>"),
        ("the __init__ of a __new__ class", "the __init__ of a <strong>new</strong> class"),
        ("Il __ne__ faut pas, __del__", "Il <strong>ne</strong> faut pas, <strong>del</strong>"),
        ("①一\n②二\n1、三\n（二）四\n• five", "①一<br>\n②二<br>\n1、三<br>\n（二）四<br>\n• five"),
        ("<ruby>漢字<rt>かんじ</rt></ruby>", "漢字（かんじ）"),
        ("<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>", "漢字(かんじ)"),
        ("**加粗：**文字", "<strong>加粗：</strong>文字"),
        ("文字**「引用」**文字", "文字<strong>「引用」</strong>文字"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("你好\n世界", "你好世界"),
        ("hello\nworld", "hello\nworld"),
        ("한국\n어", "한국\n어"),
        ("见https://a.example/b，以及", '见<a href="https://a.example/b">https://a.example/b</a>，以及'),
        ("i.MX and deci.ai", "i.MX and deci.ai"),
        ("<alice> says Vec<T>, <std::vec>", "&lt;alice&gt; says Vec&lt;T&gt;, &lt;std::vec&gt;"),
        ("a <!-- note --> b{:.center}", "a  b"),
        ("{{ name }}", "{{ name }}"),
        ("`{% raw %}`", "<code>{% raw %}</code>"),
        ("~~old~~", "<s>old</s>"),
        ('<a onclick="x()" href="https://a.example">a</a>', '<a href="https://a.example">a</a>'),
    ],
)
def test_markdown_in_the_wild_reads_as_it_was_meant(source, expected):
    assert html(source).strip() == f"<p>{expected}</p>"


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "a <iframe src=https://a.example>inside</iframe> b",
        "{% include x.md\n   a='b' %}",
        "{% gist x %}",
        "<svg><script>alert(1)</script></svg>",
        "<style>p{color:red}</style>",
    ],
)
def test_what_a_mail_cannot_run_is_left_out_and_remarked(source):
    document = parse(source)

    assert all(word not in to_html(document.tokens) for word in ("alert", "include", "inside", "color", "gist", "x"))
    assert {remark.rule for remark in document.remarks} <= {"liquid", "html-dropped"}
    assert document.remarks


def test_an_unclosed_tag_stays_inside_its_section():
    sections = split(parse("## One\n\n<b>bold\n\n## Two\n\nplain\n").tokens, "Title")

    assert to_html(sections[1].tokens).strip() == "<p>plain</p>"


@pytest.mark.parametrize(
    ("title", "heading", "same"),
    [
        ("On boards!", "On boards", True),
        ("10⁶ devices", "106 devices", True),
        ("On boards", "On boats", False),
        ("🎉", "🎉", True),
        ("???", "!!!", False),
    ],
)
def test_a_heading_that_repeats_the_title_is_left_out(title, heading, same):
    assert same_title(title, heading) is same_title(heading, title) is same
    assert (title_heading(parse(f"# {heading}\n\nText.\n").tokens, title) == 0) is same


def test_sections_begin_at_h2_and_empty_ones_are_dropped():
    sections = split(parse("# Title\n\nintro\n\n## One\n\na\n\n## Empty\n\n## Two\n\nb\n").tokens, "Title")

    assert [section.title for section in sections] == ["", "One", "Two"]


def test_what_follows_the_last_rule_is_a_card_of_its_own():
    sections = split(parse("intro\n\n## One\n\na\n\n----\n\ncolophon\n").tokens, "Title")

    assert [section.title for section in sections] == ["", "One", ""]
    assert "colophon" in to_html(sections[2].tokens)


def test_link_hard_break_summary_is_a_story_with_a_muted_source():
    source = "## News\n\n- [Pi 4 | Machine Heart](https://a.example/1)  \nFirst line.  \nSecond line.\n"
    (section,) = split(parse(source).tokens, "Title")

    assert section.stories == 1
    written = to_html(section.tokens)
    assert '<a href="https://a.example/1">Pi 4<span class="source"> | Machine Heart</span></a></h3>' in written
    assert "<p>First line.</p>" in written
    assert "<p>Second line.</p>" in written


def test_a_plain_list_of_links_stays_a_list():
    (section,) = split(parse("## Past\n\n- [a](https://a.example)\n- [b](https://b.example)  \n").tokens, "T")

    assert section.stories == 0
    assert "<ul>" in to_html(section.tokens)


def test_text_numbers_links_and_names_stories():
    (section,) = split(parse("## N\n\n- [Pi 4](https://a.example/1)  \nSee [more](https://a.example/2).\n").tokens, "T")
    numbers = Numbers()

    assert to_text(section.tokens, numbers) == "■ Pi 4 [1]\nSee more [2]."
    assert numbers.take_used() == [(1, "https://a.example/1"), (2, "https://a.example/2")]


def test_text_does_not_number_an_address_that_stands_there_already():
    assert text("https://a.example/1 and <mailto:a@b.example>") == "https://a.example/1 and mailto:a@b.example"


@pytest.mark.parametrize("source", ["Do ~~not~~ mix.", "Do <del>not</del> mix.", 'Do <s class="x">not</s> mix.'])
def test_text_marks_what_is_struck_out(source):
    assert text(source) == "Do ~~not~~ mix."


def test_text_marks_struck_links_and_cells():
    assert text("~~[a](https://a.example)~~") == "~~a [1]~~"
    assert text("| a |\n|---|\n| ~~1~~ |\n").split("\n")[2:] == ["~~1~~"]
    assert text("`~~a~~`") == "~~a~~"


def test_text_sets_tables_by_the_width_that_characters_take():
    assert text("| a | 名 |\n|---|---|\n| 1 | 二 |\n| 三 | 4 |\n").split("\n")[2:] == ["1  | 二", "三 | 4"]


def test_text_shows_lists_quotes_code_and_footnotes():
    written = text("1. one\n2. two\n   - deep\n\n> quote\n\n```\na < b\n```\n\nx[^1]\n\n[^1]: note\n")

    assert written == "1. one\n2. two\n   - deep\n\n> quote\n\n    a < b\n\nx (1)\n\n(1) note"


@pytest.mark.parametrize(
    "source", [">" * 60 + " deep", "- " * 60 + "deep", "<b>" * 500 + "deep" + "</b>" * 500, "*a " * 60 + "b*" * 60]
)
def test_text_that_is_nested_too_deeply_is_refused(source):
    with pytest.raises(MarkupError, match="nested more than 48 deep"):
        parse(source)


def test_links_and_images_know_where_they_were_written():
    document = parse("# T\n\nA [b](c.md)\nand ![d](e.png) <img src='f.png'>\n\n[x][y]\n\n[y]: z.md\n")

    assert [(link.target, link.line, link.column) for link in document.links()] == [("c.md", 2, 2), ("z.md", 7, 0)]
    assert next((image.target, image.line, image.column) for image in document.images()) == ("e.png", 3, 4)
    assert [image.target for image in document.images()] == ["e.png", "f.png"]


@pytest.mark.parametrize(
    "source",
    [
        *("(https://a.example/b)", "(a&amp;b 'title')", "(a\\)b)", "(a(b(c))d)", "(a(b)", "(<a b> c)", "(a<b)", "()"),
        *("( a)", "(a\tb)", "(a\nb)", "(a\x7fb)", "(a\\ b)", "(a", "(äöü&uuml;)", "(a\u00a0b)", "(" + "(" * 40, "(a\\"),
    ],
)
def test_the_short_way_to_a_links_address_ends_where_the_long_one_does(source):
    short = Helpers.parseLinkDestination(source, 1, len(source))
    long = parseLinkDestination(source, 1, len(source))

    assert (short.ok, short.pos, short.str) == (long.ok, long.pos, long.str)


@pytest.mark.parametrize("found", ["HTTP://a.example", "ftp://a.example/b", "//a.example/b", "MAILTO:a@b.example"])
def test_addresses_of_every_kind_are_found_in_running_text(found):
    assert f">{found}</a> y" in html(f"x {found} y")
