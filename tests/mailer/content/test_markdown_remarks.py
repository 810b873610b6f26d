"""An editor is told of code and comments that nothing ends, because the text after them does not arrive as text."""

import pytest

from mailer.content.markdown import parse, to_html


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("One.\n\n<!-- note to self\n\nTwo.", 'the comment "<!-- note to self" is never closed, so the text after it'),
        ("One.\n\n<!-- note\n\nTwo.\n\n<!-- other -->", 'the comment "<!-- note" is never closed'),
        ("One.\n\nTwo <!-- a note\n\nThree -->", 'subscribers would see "<!-- a note"'),
        ("One.\n\n```sh\necho\n\nTwo [words](https://a.example).", 'the code that begins with "```sh" is never closed'),
        ("One.\n\n~~~\necho\n## Two\n", 'the code that begins with "~~~" is never closed'),
        ("One.\n\n- ```\n  echo\n\n  Two.\n", 'the code that begins with "- ```" is never closed'),
        ("One.\n\n````\necho\n\n```\n\nTwo.\n", 'the code that begins with "````" is never closed'),
    ],
)
def test_what_is_never_closed_is_an_error_where_it_begins(source, message):
    (remark,) = parse(source).remarks

    assert (remark.line, remark.rule, remark.severity) == (2, "unclosed", "error")
    assert remark.message.startswith(message)


@pytest.mark.parametrize(
    "source",
    [
        "```sh\necho\n\nls\n```\n",
        "> ```\n> echo\n>\n> ls\n> ```\n",
        "- ```\n  echo\n\n  ls\n  ```\n\nTwo.",
        "Two.\n\n```sh\necho\nls\n",  # all of it is code, as it was meant
        "A comment begins with `<!--`, or \\<!-- in text.",
    ],
)
def test_what_is_closed_or_swallows_nothing_is_not_remarked(source):
    assert parse(source).remarks == []


@pytest.mark.parametrize(
    "source",
    [
        "<!-- a note\nto a colleague -->\n\nOne <!-- inline --> two.",
        "<center>One</center>\n\n<font color=red>Two</font>",
        "{% comment %}<!-- x -->{% endcomment %}\n\nOne.",
        '{% assign bse = "https://a.example/" %}\n\nOne.',
        "{% raw %}One{% endraw %}",
        "<details open><summary>S</summary>x</details>",
        "One.\n{: .lead }\n\n## Two {:#two}",
        "<!DOCTYPE html>\n<?xml version='1.0'?>\n\nOne.",
    ],
)
def test_what_no_subscriber_misses_costs_no_finding(source):
    document = parse(source)

    assert document.remarks == []
    assert "{%" not in to_html(document.tokens)


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("One <input type=text> two.", "html-dropped"),
        ("<iframe src='https://a.example/film'></iframe>", "html-dropped"),
        ("{% include film.html id=1 %}", "liquid"),
        ("{% if user %}One{% endif %}", "liquid"),
        ("* TOC\n{:toc}", "liquid"),
        ("<details>\n<summary>S</summary>\nx\n</details>", "details-open"),
    ],
)
def test_what_a_subscriber_misses_is_told(source, rule):
    assert {remark.rule for remark in parse(source).remarks} == {rule}
