"""Nothing that the editor wrote disappears without a finding that names it."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mailer.checks import check
from mailer.content.issues import IssueError

BOARDS = "https://a.example/boards"


@pytest.mark.parametrize(
    ("text", "rule", "named"),
    [
        ("| a | b |\n|---|---|\n| c | d | extra [words](https://a.example) |", "text-lost", "extra [words]"),
        ("> | a |\n> |---|\n> | c | extra |", "text-lost", "extra"),
        ("Text.\n\n[^gone]: A note.\n    More of it.", "note-unused", "[^gone]"),
        ("[Ada]: Words\n\nText.", "text-lost", "[Ada]: Words"),
        ("[主持人]:大家好，欢迎！\n\nText.", "text-lost", "大家好，欢迎！"),
        ("[Ada]: Yes.\n\nText.", "text-lost", "Yes."),
        ("[Ada]: Hm...\n\nText.", "text-lost", "Hm..."),
        ("Text[^1].\n\n[^1]: First words.\n\n[^1]: Second words.", "text-lost", "First"),
    ],
)
def test_words_that_markdown_drops_are_named(findings, text, rule, named):
    (told,) = findings(text)

    assert (told.rule, named in told.message) == (rule, True)


@pytest.mark.parametrize("line", ["你好，欢迎来到节目。", "你好", "Hello!"])
def test_what_a_speaker_says_is_named_even_if_they_speak_again(findings, line):
    told = findings(f"[Ada]: {line}\n\nText.\n\n[Ada]: How are you today?")
    assert (9, "text-lost") in [(one.line, one.rule) for one in told]


def test_each_of_the_unused_notes_is_named_with_its_own_words(findings):
    text = "[^a]: One.\n[^b]: Two\n    ```\n    [^x]: code\n    ```\n\n- [^c]: Three"

    told = [(one.rule, one.line, one.message.split('"')[1]) for one in findings(text)]

    assert told == [
        ("note-unused", 9, "[^a]: One."),
        ("note-unused", 10, "[^b]: Two ``` [^x]: code ```"),
        ("note-unused", 15, "- [^c]: Three"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"**Bold**face, a<b>b</b>c, [a]({BOARDS} 'Title')b, one<br>two and a<!-- c -->b.",
        f"[Words][boards], [boards] and [x][undefined].\n\n[boards]: {BOARDS} 'Title'\n[boards]: https://b.example",
        "Write `&amp;nbsp;`, &amp;nbsp; and &amp;copy;, \\&eacute; &eacute; `&eacute;`",
        "&copy; `&amp;` snake_case \\*stars\\* a&nbsp;b",
        "- [x] done\n- [ ] open\n\n7. seven\n",
        "<table><tr><td>a</td><td>b<br>c</td></tr></table>",
        f"Text.\n\n[a]: {BOARDS}\n[b]: #text\n[c]: page.md\n[d]: /文档\n[//]: # (x)\n[comment]: x",
        "第一行\n第二行，**重点**。　全角",
        "```py title\nprint(a[0](b))\n```",
        "x[^1] y^[inline].\n\n[^1]: A note.\n\n    More of it.",
        "| a | b |\n|---|---|\n| c |\n| d | e | |",
        ":tada: `:tada:`\n\n## Marks {#mark .wide}\n\n![B|300](https://a.example/b.png){width=300}\n\n> [!NOTE]\n> x",
        "Set\next\n---\n\nText `a|b`.",
        "Hi {% if x %}Ada{% else %}there{% endif %}.",
    ],
)
def test_what_arrives_in_another_form_is_not_lost(rules, text):
    assert not {"text-lost", "note-unused"} & set(rules(text))


@pytest.mark.parametrize(
    "text",
    [
        "Use `a[i][j]` here.",
        "```\nm[0][1] = 2;\n```",
        "    m[0][1] = 2;\n    m[0][2] = 2;",
        "1. [x] done",
        "1. Set `args[0]` to x",
        "1. The item[s] in the list",
        '2. "[T]he end", he said',
        "> 1. > - [X] The item[s] in a quote",
        "Wiki text[1][2] here.",
        "The result[citation needed][who?] is.",
        "Is a<b or c>d?",
        "p<q && r>s",
        "Use `<b>x</b>y` to",
        f"See [docs]({BOARDS}) and `grid[row][col]`, text[1][2], `x<y>z`.",
        f"Set `&copy;[a][b]` in [these][d] words[s].\n\n[d]: {BOARDS}",
        "a <b>bold</b>[c][d] and &lt;e f&gt;[g][h]",
        "| a | b |\n|---|---|\n| `a[i][j]` | text[1][2] |",
        "1. Text[^1] and `a[0][1]`.\n\n[^1]: The note says `m[i][j]` and a[1][2].",
        "中文 `a[i][j]` 文字[1][2]，还有 `x<y>z`。",
    ],
)
def test_brackets_that_are_text_are_not_taken_for_markup(rules, text):
    assert "text-lost" not in rules(text)


def test_lost_words_are_named_though_a_line_like_them_has_brackets_that_are_shown(findings):
    text = "1. Use `a[i][j]` here.\n\n| a |\n|---|\n| c | 1. a[i][j] gone |"

    (told,) = [one for one in findings(text) if one.rule == "text-lost"]

    assert (told.line, "gone" in told.message) == (13, True)


PIECES = [
    *("\n", "\n\n", " ", "  \n", "\n> ", "\n- ", "\n    ", "\n1. ", "\n## ", "\n---\n", "\n```\n", "\n| ", " | "),
    *("\n|--|--|\n", "*", "**", "_", "`", "~", "\\", "[", "](https://a.example)", "![", "](https://a.example/b.png)"),
    *(
        "[^1]",
        "\n[^1]: ",
        "<video>",
        "</video>",
        "<b>",
        "</b>",
        "<title>",
        "<br>",
        "<div>\n",
        "\n</div>",
        "<p>",
        "<pre>",
    ),
    *(
        "{% x",
        "%}",
        "{{",
        "}}",
        "https://a.example/",
        "，",
        "![]",
        "[r]: https://r.example\n",
        "[r]",
        "&amp;",
        "^[",
        "]",
    ),
    *("{: ", "}"),
]
WORDS = st.integers(0, 99).map("wd{}q".format)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PIECES) | WORDS, max_size=25).map("".join))
def test_each_word_is_in_the_email_or_in_a_finding(proof, text):
    assume(not re.search(r"(```|~~~).*wd", text))  # the name of a language
    try:
        made = proof(f"# Title\n\nText.\n\n{text}")
    except IssueError:
        return
    told = "\n".join(finding.message for finding in check(made))
    mail = f"{made.rendered.text}\n{made.rendered.html}"
    gone = [word for word in re.findall(r"wd\d+q", text) if word not in mail and word not in told]
    assert gone == [] or "…" in told  # a long text is named by its beginning
