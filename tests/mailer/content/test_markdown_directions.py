"""Each block says how it reads where that differs from the text around it."""

import pytest
from lxml import html as lxml_html

from mailer.content.markdown import mark_directions, parse, split, to_html

ARABIC, ENGLISH = "نص عربي (أول)!", "An English text (first)!"


def marked(source: str, around: str) -> list[tuple[str, str, str]]:
    """Return tag, direction and text of each element that has a direction."""
    (section,) = split(parse(source).tokens, "T")
    mark_directions(section.tokens, around)
    page = lxml_html.fragment_fromstring(to_html(section.tokens), create_parent=True)
    return [(one.tag, one.get("dir"), " ".join(one.text_content().split())) for one in page.xpath(".//*[@dir]")]


@pytest.mark.parametrize(
    ("source", "tags"),
    [
        ("{}", ["p"]),
        ("42\n\n### {}", ["span"]),
        ("42\n\n### {}\n\n{}", ["h3", "p"]),
        ("> {}", ["blockquote"]),
        ("> [!NOTE]\n> {}", ["div"]),
        ("- {}", ["ul"]),
        ("1. {}", ["ol"]),
        ('![x](a.png "{}")', ["p"]),
        ("| {} |\n|---|", ["table"]),
        ("- [{}](https://a.example)  \n  {}", ["h3", "p"]),
    ],
)
@pytest.mark.parametrize(("text", "own", "around"), [(ARABIC, "rtl", "ltr"), (ENGLISH, "ltr", "rtl")])
def test_a_block_of_the_other_direction_says_so_once(source, tags, text, own, around):
    found = marked(source.replace("{}", text), around)

    assert [(tag, way) for tag, way, _ in found] == [(tag, own) for tag in tags]


@pytest.mark.parametrize(("text", "around"), [(ARABIC, "rtl"), (ENGLISH, "ltr"), ("42 %", "rtl"), ("42 %", "ltr")])
def test_a_block_that_reads_as_the_text_around_it_says_nothing(text, around):
    assert marked(f"{text}\n\n- {text}\n\n> {text}\n", around) == []


def test_items_may_differ_from_their_list():
    source = f"- {ARABIC}\n- {ENGLISH}\n"

    assert marked(source, "ltr") == [("li", "rtl", ARABIC)]
    assert marked(source, "rtl") == [("li", "ltr", ENGLISH)]


def test_code_and_bare_addresses_always_read_from_left_to_right():
    found = marked(f"{ARABIC} `a(b)` https://a.example/عربي\n\n```\nx # {ARABIC}\n```\n", "rtl")

    assert [(tag, way) for tag, way, _ in found] == [("code", "ltr"), ("a", "ltr"), ("pre", "ltr")]


def test_a_sentence_that_begins_with_a_latin_name_stays_with_the_text_around_it():
    assert marked(f"Python: {ARABIC}", "rtl") == []


@pytest.mark.parametrize("text", ["שלום means peace, and this sentence is in English.", "Cat. قطة تعني قطة بالعربية."])
def test_the_first_sentence_decides_not_its_first_word(text):
    assert marked(text, "ltr") == []


def test_a_sentence_that_is_mostly_from_right_to_left_may_begin_with_a_latin_name():
    assert marked(f"Python: {ARABIC}", "ltr") == [("p", "rtl", f"Python: {ARABIC}")]


def test_a_heading_or_term_stays_on_the_side_of_the_text_below_it():
    assert marked(f"42\n\n### GitHub!\n\n{ARABIC}", "rtl") == [("span", "ltr", "GitHub!")]
    assert marked(f"Apple\n: {ARABIC}", "rtl") == [("span", "ltr", "Apple")]


@pytest.mark.parametrize("number", ["+49 30 123456", "01 234 567", "0049-30-123456", "(030) 12 34 56"])
def test_a_phone_number_keeps_the_order_of_its_digits(number):
    assert marked(f"اتصل على {number}، أو **{number}**.", "rtl") == [("span", "ltr", number)] * 2
    assert marked(f"Call {number}.", "ltr") == []


@pytest.mark.parametrize("text", ["من 2020 - 2021", "3.14 أو 1,000,000", "في 2026-11-29", "الساعة 09:30"])
def test_other_numbers_are_left_alone(text):
    assert marked(text, "rtl") == []
