"""What editors bring along from GitHub, Obsidian, Pandoc and site generators, and that means one thing, works."""

import pytest
from django.utils import translation

from mailer.content.markdown import Document, Numbers, first_heading, mark_directions, parse, to_html, to_text


def html(source: str) -> str:
    return to_html(parse(source).tokens).strip().replace(">\n", ">")


def text(source: str) -> str:
    return to_text(parse(source).tokens, Numbers())


def width(document: Document) -> object:
    (image,) = document.images()
    return image.token.attrs.get("width")


# ---------------------------------------------------------------- callouts


@pytest.mark.parametrize(
    ("mark", "kind", "label"),
    [
        ("NOTE", "cn", "Note"),
        ("tip", "ct", "Tip"),
        ("IMPORTANT", "ci", "Important"),
        ("Warning", "cw", "Warning"),
        ("CAUTION", "cc", "Caution"),
    ],
)
def test_each_kind_of_callout_has_a_class_and_a_label(mark, kind, label):
    source = f"> [!{mark}]\n> Bring *water*."

    assert html(source) == (
        f'<div class="callout {kind}"><p class="label">{label}</p><p>Bring <em>water</em>.</p></div>'
    )
    assert text(source) == f"» {label}\n  Bring water."


@pytest.mark.parametrize(
    ("mark", "kind", "title"),
    [
        ("[!warning]- Mind the *gap*", "cw", "Mind the <em>gap</em>"),
        ("[!TIP]+ Open", "ct", "Open"),
        ("[!info]", "cn", "Info"),
        ("[!danger] Hot", "cc", "Hot"),
        ("[!recipe|wide] Soup", "cn", "Soup"),
        ("[!todo]", "cn", "Todo"),
        ("[!提示]", "cn", "提示"),
    ],
)
def test_titles_and_other_names_of_obsidian_are_read(mark, kind, title):
    assert html(f"> {mark}\n> Words.") == (
        f'<div class="callout {kind}"><p class="label">{title}</p><p>Words.</p></div>'
    )


def test_a_callout_holds_what_a_quote_can_hold():
    source = "> [!NOTE]\n> 1. one\n>\n> | a | b |\n> |---|---|\n> | 1 | 2 |\n>\n> > inside\n\nAfter."
    written = html(source)

    assert "<li>one</li>" in written
    assert "<td>1</td>" in written
    assert "<blockquote>" in written
    assert written.endswith("</div><p>After.</p>")
    assert text(source).startswith("» Note\n  1. one\n\n  a | b\n")


@pytest.mark.parametrize("source", ["> [!NOTE](https://a.example)", "> Words\n> [!NOTE] in a quote", "> [! NOTE]"])
def test_a_quote_that_only_looks_like_a_callout_stays_a_quote(source):
    assert html(source).startswith("<blockquote>")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("> [!NOTE]\nLazy *words*.", "<p>Lazy <em>words</em>.</p></div>"),
        ("> [!NOTE]\n- item", "</div><ul><li>item</li></ul>"),
        ("> [!NOTE] Title\nLazy.\n> More.", "<p>Lazy.\nMore.</p></div>"),
    ],
)
def test_a_line_without_a_mark_belongs_to_a_callout_as_to_a_quote(source, expected):
    assert html(source).endswith(expected)


def test_labels_are_in_the_language_that_is_active():
    with translation.override("zh-hans"):
        assert '<p class="label">提示</p>' in html("> [!TIP]\n> 多喝水。")


def test_callouts_nest_no_deeper_than_quotes():
    from mailer.content.markdown import MarkupError

    with pytest.raises(MarkupError):
        parse("\n".join("> " * depth + "> [!NOTE]" for depth in range(60)))


def test_a_callout_that_reads_from_right_to_left_is_marked():
    document = parse("> [!NOTE]\n> שלום עולם")

    assert mark_directions(document.tokens, "ltr")
    assert to_html(document.tokens).startswith('<div dir="rtl" class="callout cn">')


# ---------------------------------------------------------------- marks


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("It is ==marked==, and ==so *is* this==.", "It is <mark>marked</mark>, and <mark>so <em>is</em> this</mark>."),
        ("文字==重点==文字", "文字<mark>重点</mark>文字"),
        ("==a = b==", "<mark>a = b</mark>"),
        ("if a==b or c==d", "if a==b or c==d"),
        ("x == y == z, == and ===", "x == y == z, == and ==="),
        ("如果值==空或者==零", "如果值==空或者==零"),
        ("وهذا و==مهم==.", "وهذا و<mark>مهم</mark>."),
        ("이것은 ==중요한 내용==을 보세요", "이것은 <mark>중요한 내용</mark>을 보세요"),
        ("값==널이거나==영", "값==널이거나==영"),
        ("`==x==`", "<code>==x==</code>"),
        (r"\==x==", "==x=="),
    ],
)
def test_marked_text_is_marked_and_a_comparison_is_not(source, expected):
    assert html(source) == f"<p>{expected}</p>"


# ---------------------------------------------------------------- emoji


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Out :tada: now :+1:", "Out 🎉 now 👍"),
        ("发布:rocket:了", "发布🚀了"),
        (":tada::rocket:!", "🎉🚀!"),
        ("**:tada:** [:wave:](https://a.example)", '<strong>🎉</strong> <a href="https://a.example">👋</a>'),
        ("at 12:30:45, 10:100:30, a::b::c, :nothing:", "at 12:30:45, 10:100:30, a::b::c, :nothing:"),
        ("a[:100:], x[0, :-1:] and list[:end:]", "a[:100:], x[0, :-1:] and list[:end:]"),
        ("See [:100:] and (:+1:)", "See [💯] and (👍)"),
        (r"\:tada: `:tada:`", ":tada: <code>:tada:</code>"),
        (
            "https://a.example/:tada:/x",
            '<a href="https://a.example/:tada:/x">https://a.example/:tada:/x</a>',
        ),
    ],
)
def test_emoji_codes_become_emoji_where_they_are_meant(source, expected):
    assert html(source) == f"<p>{expected}</p>"


def test_emoji_codes_in_html_and_alt_texts_become_emoji():
    assert "<b>🎉</b>" in html("<div><b>:tada:</b></div>")
    assert 'alt="🎉 out"' in html("![:tada: out](https://a.example/a.png)")


# ---------------------------------------------------------------- attributes


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("![A](a.png){width=300}", 300),
        ('![A](a.png){ .left width="300px" }', 300),
        ("![A](a.png){width=50%}", 288),
        ('![A](a.png){: width="200" .center}', 200),
        ("![A|300](a.png)", 300),
        ("![A|300x200](a.png)", 300),
        ("![A](a.png =300x200)", 300),
        ("![A](<a b.png> =300x)", 300),
        ("![A](a.png =50%x)", 288),
        ("![A](a.png =x200)", None),
        ('<img src="a.png" alt="A" width="25%">', 144),
        ('<img src="a.png" alt="A" style="max-width:9px; width:120px">', 120),
        ('<img src="a.png" alt="A" width="90">', 90),
        ('![A](a.png){style="max-width: 9px; width: 50%"}', 288),
        ("![A](a.png){width=3em}", None),
        ("![A](a.png){.wide}", None),
    ],
)
def test_an_image_is_as_wide_as_its_editor_says(source, expected):
    document = parse(source)

    assert width(document) == expected
    assert to_text(document.tokens, Numbers()) == "[A]"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[a](https://a.example){.button}!", '<a href="https://a.example">a</a>!'),
        ('[a](https://a.example){target="_blank" rel=nofollow}', '<a href="https://a.example">a</a>'),
        ("`x`{.python}", "<code>x</code>"),
        ("a {x} and {width=3}", "a {x} and {width=3}"),
        ("[a](https://a.example){x}", '<a href="https://a.example">a</a>{x}'),
    ],
)
def test_attributes_that_mean_nothing_in_an_email_are_left_out(source, expected):
    assert html(source) == f"<p>{expected}</p>"


@pytest.mark.parametrize("mark", ["{#there}", "{: #there }", '{id="there" .x}', "{.x #there}"])
def test_a_name_in_braces_is_the_anchor_of_its_heading(mark):
    document = parse(f"### Where {mark}\n\nWords.")

    assert document.anchors().find("#there") == "there"
    assert '<h3 id="there">Where</h3>' in to_html(document.tokens).replace("\n", "")


def test_the_name_of_the_title_is_not_in_the_subject():
    assert first_heading("# Release week {#top}\n\nWords.") == "Release week"
    assert first_heading("Release week {: #top }\n=====\n\nWords.") == "Release week"


def test_braces_that_are_no_attributes_stay_in_a_heading():
    assert "The set {a, b}" in html("### The set {a, b}\n\nx")


@pytest.mark.parametrize("more", ["", "\nWords.", "\n## News"])
def test_attributes_below_a_table_are_no_row_of_it(more):
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert html(f"{table}{{: .striped}}\n{more}") == html(f"{table}\n{more}")
