import pytest

from mailer.content.markdown import Numbers, parse, to_text


def text(source: str) -> str:
    return to_text(parse(source).tokens, Numbers())


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            "<table>\n<tr><th>Name</th><th>Age</th></tr>\n<tr>\n<td>Ann</td>\n<td>5</td>\n</tr>\n</table>",
            "Name | Age\n----------\nAnn  | 5",
        ),
        ("<table><tr><td>Ann<td>5<tr><td>Bo</table>", "Ann | 5\nBo  |"),
        ("<table><caption>People</caption><tr><td>Ann</td><td>5</td></tr></table>", "People\n\nAnn | 5"),
        ('<table><tr><td><a href="https://a.example/">Ann</a></td><td>5<br>6</td></tr></table>', "Ann [1] | 5 6"),
        ("<table><tr><td>One column</td></tr><tr><td>of text</td></tr></table>", "One column\n\nof text"),
        ("<table><tr><td><p>A</p><p>B</p></td><td>C</td></tr></table>", "A\n\nB\n\nC"),
    ],
)
def test_cells_of_html_are_told_apart(source, shown):
    assert text(source) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("<ul>\n<li>One <b>bold</b></li>\n<li>Two</li>\n</ul>", "- One bold\n- Two"),
        ("<ol><li>One<li>Two<ul><li>a</li></ul></ol>", "1. One\n2. Two\n   - a"),
        ("<blockquote>A\nquote</blockquote>", "> A quote"),
        ("<pre>\na  = 1\n  b\n</pre>", "    a  = 1\n      b"),
        ("<div>Before <ul><li>x</li></ul> after</div>", "Before\n\n- x\n\nafter"),
        ("Words <ul><li>x</li></ul>", "Words\n\n- x"),
        ("<ul><li>never ended", "- never ended"),
        ("</ul></li><li>stray", "stray"),
    ],
)
def test_lists_quotes_and_code_of_html_have_the_marks_of_markdown(source, shown):
    assert text(source) == shown


def test_html_without_structure_keeps_its_lines():
    assert text("<p>One\ntwo</p>") == "One\ntwo"
