"""What stands above or below the line, and lists of definitions, as Pandoc and PHP Markdown Extra write them."""

import pytest

from mailer.content.markdown import STRUCK, Numbers, mark_directions, parse, plain, to_html, to_text


def html(source: str) -> str:
    return to_html(parse(source).tokens).strip().replace(">\n", ">")


def text(source: str) -> str:
    return to_text(parse(source).tokens, Numbers())


@pytest.mark.parametrize(
    ("source", "expected", "words"),
    [
        ("H~2~O", "H<sub>2</sub>O", "H₂O"),
        ("Fe~2~O~3~", "Fe<sub>2</sub>O<sub>3</sub>", "Fe₂O₃"),
        ("E~max~", "E<sub>max</sub>", "Emax"),
        ("10^6^ people", "10<sup>6</sup> people", "10⁶ people"),
        ("10^-3^ m^2^", "10<sup>-3</sup> m<sup>2</sup>", "10⁻³ m²"),
        ("the 1^st^", "the 1<sup>st</sup>", "the 1st"),
        (
            "Na^+^ Cl^-^ OH^-^ e^-^ π^+^",
            "Na<sup>+</sup> Cl<sup>-</sup> OH<sup>-</sup> e<sup>-</sup> π<sup>+</sup>",
            "Na⁺ Cl⁻ OH⁻ e⁻ π⁺",
        ),
        ("see^[1]^", "see<sup>[1]</sup>", "see[1]"),
        ("e^x^，面积m^2^", "e<sup>x</sup>，面积m<sup>2</sup>", "eˣ，面积m²"),
        ("10<sup>6</sup> CO<sub>2</sub>", "10<sup>6</sup> CO<sub>2</sub>", "10⁶ CO₂"),
    ],
)
def test_what_stands_above_or_below_the_line_keeps_its_meaning_in_the_text_part_too(source, expected, words):
    assert html(source) == f"<p>{expected}</p>"
    assert text(source) == words
    assert plain(parse(source).tokens[1].children, STRUCK) == words


@pytest.mark.parametrize(
    "words",
    [
        "价格100~200元，数量1~2个",
        "OK~thx~",
        "thanks^o^ (^o^) m(^_^)m ^^",
        "a^b^c, 2^3^4, a^1^b",
        "Thanks^-^ OK^-^ (haha)^-^ Ha^-^ the^-^ 100^+^",
        "1~2~3 ~/foo~ FOO~1 BAR~2",
        "~old~ price",
        "a ^2^",
    ],
)
def test_ranges_faces_and_operators_are_neither_above_nor_below(words):
    assert html(words) == f"<p>{words}</p>"


def test_a_number_above_the_line_keeps_its_value_in_title_sections_and_anchors(rendered):
    mail = rendered(
        "# Why 10^6^ readers\n\n[Boards](#106-boards)\n\n## 10^6^ boards\n\nA.\n\n## CO<sub>2</sub>\n\nB.\n"
    )

    assert mail.subject == "Why 10⁶ readers"
    assert (mail.html.count("106"), mail.text.count("106 boards"), mail.text.count("10⁶ boards")) == (2, 0, 1)
    assert "CO₂" in mail.html
    assert mail.html.count("readers</h1>") == 1


def test_struck_text_of_old_html_is_struck():
    document = parse("Costs <strike>10</strike> 8.")

    assert to_html(document.tokens) == "<p>Costs <s>10</s> 8.</p>\n"
    assert to_text(document.tokens, Numbers()) == "Costs ~~10~~ 8."
    assert document.remarks == []


def test_terms_and_their_meanings_are_a_list_of_definitions():
    source = "Board\n: A *small* one.\n: Or a [large](https://a.example) one.\n\n芯片\n:   中文\n\nAfter."

    assert html(source.replace("\n\n芯片\n:   中文", "")) == (
        "<dl><dt>Board</dt><dd>A <em>small</em> one.</dd>"
        '<dd>Or a <a href="https://a.example">large</a> one.</dd></dl><p>After.</p>'
    )
    assert text(source) == "Board\n    A small one.\n    Or a large [1] one.\n芯片\n    中文\n\nAfter."


@pytest.mark.parametrize("words", ["Happy reading\n~ Anna", "> Well said.\n~ Anna", "At ten\n:tada:", "a\n:b"])
def test_a_signature_and_an_emoji_below_a_line_define_nothing(words):
    assert "<dl>" not in html(words)


def test_a_term_that_reads_from_right_to_left_is_marked():
    tokens = parse("لوحة\n: A board.").tokens
    mark_directions(tokens, "ltr")

    assert '<dt><span dir="rtl">لوحة</span></dt>' in to_html(tokens)


def test_a_title_in_front_matter_is_the_heading_that_writes_a_number_above_the_line(rendered):
    mail = rendered("---\ntitle: Why 10^6^ readers\n---\n\n# Why 10^6^ readers\n\nWords.\n")

    assert "10⁶" not in mail.text
