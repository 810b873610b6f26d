"""A tag that the text talks about stays visible; one that is in use is shown, or left out and named."""

import pytest

from mailer.content.markdown import Numbers, parse, to_html, to_text


def text(source: str) -> str:
    return to_text(parse(source).tokens, Numbers())


@pytest.mark.parametrize(
    "words",
    [
        "The <video> tag plays a film on every page.",
        "We use <script> and <style> every day.",
        "<script> tags are old.",
        "<title>、<meta>：中文",
        "<title>, <meta> and <link> go into the head.",
        "read the <title>.",
        "Press the <button> or the <input>, or write <b>.",
        "close it with </body> at the end",
        "The <p> tag, and the <li> tag",
        "<? is where PHP begins",
        "<!DOCTYPE html> is on top.",
        "<?php echo 1; ?> is PHP.",
        "Write <!DOCTYPE html> on top, <?php echo 1; ?> or <![CDATA[words]]>.",
        "Put <title> and </title> around it, or <b>, </b>.",
        "在 <video> 和 </video> 之间",
        "Set <video controls> or <VIDEO>.",
        "Use the <br> tag, and the <hr> element.",
        "使用<br>标签换行，用 <hr> 元素，“<br>”。",
        "Tags like <br>, <hr> and <img> need no end tag.",
        "Use <br> and <hr>. An <br> is short. Put a <hr>.",
        "<hr> is a rule.",
        "<br> is a break.",
        "Use <br> tags, <br>-Tags, das <br> Element.",
        'Add <meta charset="utf-8"> and <link rel="icon" href="a.png">.',
        'Put <meta charset="utf-8"> first, (<meta charset="utf-8">).',
        'The <video src="a.mp4"> tag, <a href="a"> and <div class="box">.',
    ],
)
def test_a_tag_named_in_prose_stays_visible(words):
    document = parse(f"{words}\n\nAfter *it*.\n")

    assert to_text(document.tokens, Numbers()) == f"{words}\n\nAfter it."
    assert document.remarks == []


@pytest.mark.parametrize("block", ["{}", "## {}", "- {}", "> {}", "| {} | b |\n|---|---|\n| c | d |", "1. a\n\n   {}"])
def test_the_words_and_links_behind_a_tag_stay_in_every_block(block):
    written = text(block.format("The <video> tag, and [the manual](https://a.example/m) tells how."))

    assert "The <video> tag, and the manual [1] tells how." in written


@pytest.mark.parametrize(
    "source",
    [
        "好工具。<br> 标签：AI",
        "好工具。<br>\n标签：AI",
        "很好用<br>标签：AI",
        "Short and good. <br>\nTags: ai",
        "Short and good. <br> Tags: ai",
        "A list <br> elements: all",
        "Short and good.\n<br> Elements of style",
        "<br>Es gibt Neues",
        "<br> Es gibt Neues",
        "<br>Are you ready?",
        "<br>是的",
        'Read it<br> and <a href="https://a.example">subscribe</a>',
        "苹果<br>和<b>香蕉</b>",
        "Ham, <br> <b>eggs</b> and <br>**bread**",
        "| Vitamin A <br> | Plan A <br> and Plan B |\n|---|---|",
        "Plan A <br> is here, and they like the <br> and more",
    ],
)
def test_a_break_in_use_breaks_the_line_whatever_words_are_beside_it(source):
    tokens = parse(source).tokens

    assert "&lt;" not in to_html(tokens)
    assert to_html(tokens).count("<br") == source.count("<br>")


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("<meta charset='utf-8'>Hello there.", "Hello there."),
        ("See <meta charset='utf-8'>*what* I copied", "See what I copied"),
        ("See\n<meta charset='utf-8'>\nwhat", "See what"),
        ('<span itemprop="offers"><meta itemprop="price" content="9.99">€9.99</span>', "€9.99"),
        ('<span itemprop="offers">Only <meta itemprop="price" content="9.99"> €9.99</span>', "Only €9.99"),
    ],
)
def test_what_browsers_and_search_engines_add_is_not_shown(source, left):
    assert " ".join(text(source).split()) == left


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("a <video>no *film*</video> b", "a  b"),
        ('<video src="https://a.example/a.mp4">\n\nBetween.\n\n</video>\n\nAfter.', "Between.\n\nAfter."),
        ('a <iframe src="https://a.example">no film</iframe> b', "a  b"),
        ("<center>\n\nMiddle.\n\n</center>", "Middle."),
        ("a <u>line\n\nand</u> more", "a line\n\nand more"),
        ("one<br>two", "one\ntwo"),
        ("<details><summary>More</summary>Words</details>", "More\nWords"),
        ('<figure><img src="a.png" alt="A"><figcaption>Words</figcaption></figure>', "[A]\nWords"),
        ("one <br> two<br/>three", "one\ntwo\nthree"),
        ("salt <br> and <br> pepper", "salt\nand\npepper"),
        ("Is the <br>\nend<br>tags", "Is the\nend\ntags"),
        ("盐<br>和<br>胡椒<br>标签", "盐\n和\n胡椒\n标签"),
        ('<a name="top">Top, <p align="center">words', "Top,\nwords"),
        ('a <picture><source srcset="a.webp"><img src="a.png" alt="A"></picture> b', "a [A] b"),
        ("<div>\nWords.", "Words."),
    ],
)
def test_a_tag_in_use_takes_only_what_its_block_closes(source, left):
    assert text(source) == left


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ('<p align="center"><img src="a.png" alt="A"></p>', '<p align="center"><img '),
        ("<div align=CENTER>\n\nWords.\n\n</div>", '<div align="center">'),
        ("<center>Words.</center>", '<div align="center">Words.</div>'),
        ('<p style="color: red; text-align: center">Words.</p>', '<p align="center">Words.</p>'),
        ('<h2 align="right" style="text-align:center">Words</h2>', '<h2 align="right">'),
        ('<table align="center"><tr><td align="right">1</td></tr></table>', '<table align="center">'),
        ('<table align="left"><tr><td>1</td></tr></table>', "<table>"),
        ('<p align="justify">Words.</p>', "<p>Words.</p>"),
        ('<p style="text-align: var(--x)">Words.</p>', "<p>Words.</p>"),
    ],
)
def test_what_is_centred_stays_centred_by_an_attribute_that_every_client_knows(source, html):
    written = to_html(parse(source).tokens)
    assert html in written
    assert "style" not in written


def test_what_is_removed_is_named_with_the_words_in_it():
    (remark,) = parse("a <video>no film</video> b").remarks

    assert (remark.rule, remark.message.split(" is left out")[0]) == ("html-dropped", "<video>no film</video>")


def test_lines_are_counted_across_an_element_that_is_removed():
    remarks = parse("a <video>\nno film</video>\nb\n<canvas></canvas> c").remarks

    assert [remark.line for remark in remarks] == [0, 3]


def test_a_tag_talked_about_does_not_change_what_follows():
    assert to_html(parse("Write <b> here.\n\nPlain.\n").tokens) == "<p>Write &lt;b&gt; here.</p>\n<p>Plain.</p>\n"


@pytest.mark.parametrize("html", ["<div>\n&#{n}; a\n</div>", 'A <a href="https://a.example/?&#{n};">link</a>.'])
def test_a_number_that_no_character_has_is_one_replacement_however_long(rendered, html):
    mail = rendered(f"# Title\n\nText.\n\n{html.replace('{n}', '9' * 6000)}\n").html
    assert ("9999" in mail, " a\n<" in mail or ">link</a>" in mail) == (False, True)


def test_an_image_may_be_described_with_pointed_brackets():
    assert text("![A List<String> <!-- ask Ada --> and <b>more</b>](a.png)") == "[A List<String> and more]"


def test_what_word_leaves_is_removed_and_other_names_with_a_colon_stay():
    assert text("<p>Vue has <v:slot> and <w:tag>.<o:p></o:p></p>") == "Vue has <v:slot> and <w:tag>."
