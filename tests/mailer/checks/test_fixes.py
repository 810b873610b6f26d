"""What has one right answer is corrected, and no other line changes."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.checks import fixes
from mailer.checks.fixes import unencrypted
from mailer.content.markdown import MarkupError, parse


def fixed(body: str, title: str = "Boards", secure: frozenset[str] = frozenset()) -> str:
    return fixes.fixed(body, title, secure)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("##News\nText.", "## News\nText."),
        ("Text.\n\n###中文\n\n####*More*", "Text.\n\n### 中文\n\n#### *More*"),
        ("##\u00a0News\nText.\n\n#\u00a0\u00a0More", "## News\nText.\n\n# More"),
        ("-\u00a0one\n-\u00a0two\n\n1.\u00a0**three**\n2.\u00a0four", "- one\n- two\n\n1. **three**\n2. four"),
        ("Text:\n- one\n- two", "Text:\n\n- one\n- two"),
        ("Text:\r\n1. one\r\n", "Text:\r\n\r\n1. one\r\n"),
        ("Text.\n## News\nText.", "Text.\n\n## News\nText."),
        ("Text:\n```sh\nls\n```", "Text:\n\n```sh\nls\n```"),
        ("1.第一项\n2.第二项", "1. 第一项\n2. 第二项"),
        ("Text:\n-one\n-**two**", "Text:\n\n- one\n- **two**"),
        ("- one\n-two\n- three", "- one\n- two\n- three"),
        (
            "It was a great week, and it was fun for all.\n---\nText.",
            "It was a great week, and it was fun for all.\n\n---\nText.",
        ),
        ("Text:\n2. two\n3. three", "Text:\n\n2. two\n3. three"),
        ("正文：\n2. 二\n3. 三", "正文：\n\n2. 二\n3. 三"),
        ("<div>\n## News\n</div>", "<div>\n\n## News\n</div>"),
        ("<div><code>a</code>\n<!-- b -->\n- c\n</div>", "<div><code>a</code>\n<!-- b -->\n\n- c\n</div>"),
        ("# Boards\n\nText.\n\n# Boards\n\nMore.", "# Boards\n\nText.\n\nMore."),
        ("Boards\n===\n\nText.\n\nBoards\n===\nMore.", "Boards\n===\n\nText.\n\nMore."),
        ("## Boards!\n\nText.", "Text."),
        ("# Boards\n## Boards\nText.", "# Boards\nText."),
        ("# Boards\n\n# News\n\n## Small\n\n# More\n", "# Boards\n\n## News\n\n### Small\n\n## More\n"),
        ("Text.\n\n# News #\n\n##Small\n\n#  C#\n", "Text.\n\n## News #\n\n### Small\n\n##  C#\n"),
    ],
)
def test_what_has_one_right_answer_is_corrected_once(body, wanted):
    assert fixed(body) == wanted
    assert fixed(wanted) == wanted


@pytest.mark.parametrize(
    "body",
    [
        "#news of the day",
        "\\##News",
        "Join us in\n##python on IRC.",
        "```\n##News\nText:\n- one\n```",
        "    ##News",
        "Text `a\n##b` more",
        "# Boards\n\nText.\n\n## Boards\n\nMore.",
        "# Others\n\nText.\n\n## More\n\nMore.",
        "# Boards\n\nOthers\n===\n\n# News",
        "# Boards\n\n# Others\n\n###### Small",
        "In\n2019. And then",
        "Between\n10. May and\n11. June we met.",
        "- one\n- two\n## News",
        "> quote\n## News",
        "<pre>\n## News\n</pre>",
        '<div class="highlight"><pre>\n- a\n<b>\n- c\n</pre></div>',
        "<table><tr><td><PRE>\nif x <b>\n# note\n</PRE></td></tr></table>",
        "<div>\n<textarea>\n<b>\n- c\n</textarea></div>",
        "<div><code>\n<b>\n# note\n</code></div>",
        "<div>\n<!-- <b>\n- c\n-->\n</div>",
        "<!-- a\n- b -->",
        "<p>One\n- two</p>",
        "Text\n---\n\nMore",
        "Text -\none - two",
    ],
)
def test_what_may_be_meant_stays(body):
    assert fixed(body) == body


SECURE = frozenset({"http://a.example", "http://a.example/", "http://a.example/b?c=1"})


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            "[A](http://a.example/) and [B](http://a.example/b?c=1)",
            "[A](https://a.example/) and [B](https://a.example/b?c=1)",
        ),
        ("See http://a.example/. <http://a.example>", "See https://a.example/. <https://a.example>"),
        ('<img src="http://a.example/b?c=1">', '<img src="https://a.example/b?c=1">'),
        ("[a]: http://a.example/", "[a]: https://a.example/"),
        ("[A](http://a.example/other)", "[A](http://a.example/other)"),
        ("[A](http://a.example.org/)", "[A](http://a.example.org/)"),
        ("`http://a.example/` and ``x ` http://a.example/``", "`http://a.example/` and ``x ` http://a.example/``"),
        ("[A](https://b.example/?u=http://a.example/)", "[A](https://b.example/?u=http://a.example/)"),
    ],
)
def test_addresses_become_secure_where_they_are_links(line, wanted):
    assert fixed(line, secure=SECURE) == wanted
    for code in (f"```\n{line}\n```", f"<div><pre>\n{line}\n</pre></div>"):
        assert fixed(code, secure=SECURE) == code


def test_addresses_with_a_port_or_of_other_schemes_are_no_candidates():
    found = unencrypted(
        ["http://a.example/b", "http://a.example:8080/", "https://a.example/", "http://x@a.example/", "#b"]
    )
    assert found == {"http://a.example/b": "https://a.example/b"}


PIECES = st.sampled_from(
    ["##", "# Boards", "Text", "\n", "\n\n", "- a", "2. b\n3. c", "```", "`", "<div>", "    ", "> ", "---"]
)


@settings(max_examples=150)
@example("##Text\n    ##")
@example("##`\n`")
@example("# Boards\n<div>\n# Boards")
@given(st.lists(PIECES, max_size=14).map("".join))
def test_fixing_twice_changes_nothing_more_and_code_stays(body):
    try:
        once = fixed(body)
    except MarkupError:
        return
    assert fixed(once) == once
    assert _codes(once) == _codes(body)


def _codes(body: str) -> list[str]:
    tokens = parse(body).tokens
    blocks = [token.content for token in tokens if token.type in ("fence", "code_block")]
    return blocks + [one.content for token in tokens for one in token.children or [] if one.type == "code_inline"]
