"""What other programs would have replaced is found in what subscribers read, and nothing else is."""

import re
import re._constants as kinds
import re._parser as parser
import time

import pytest

from mailer.checks import dialects


def left(findings, text: str) -> list[tuple[str, str]]:
    """Return rule and quoted text of each piece of markup that is found."""
    found = [one for one in findings(text) if one.rule.startswith(("markup-", "private-"))]
    return [(one.rule, one.message.split('"', 1)[1].rsplit('"', 1)[0]) for one in found]


@pytest.mark.parametrize(
    "text",
    [
        # Pictures.
        "![[board.png|300]]",
        "![The plan](images/the plan.png)",
        "![The plan][nowhere]",
        "![A board] (x.png)",
        "![A board]（https://a.example/x.png）",
        # Hugo, Zola, Jekyll, WordPress, Eleventy.
        "{{< youtube w7F >}}",
        "{{% notice tip %}}",
        '{{ youtube(id="w7F") }}',
        '{{ "/a.png" | relative_url }}',
        '{{ TrackLink "x" }}',
        "{{ .Site.Title }}",
        '[caption id="a" width="300"]',
        # Merge fields of other services.
        '{first_name, "there"}',
        "[Name,fallback=friend]",
        "{contactfield=firstname}",
        "%FIRSTNAME%",
        "%recipient.name%",
        "[[FNAME]]",
        "[FIRSTNAME]",
        "{$unsubscribe}",
        "${contact.first_name}",
        "##LASTNAME##",
        "<unsubscribe>",
        "@FIRSTNAME@",
        "{!firstname_fix}",
        '[[data:firstname:"friend"]]',
        "[FIRST_NAME/there]",
        "[% member:first_name %]",
        "#recipient:name#",
        # Links and footnotes that are none.
        "[the report](https://example.org/a report.pdf)",
        "[^1]",
        "note[^long-name]",
        "<img src='a.png' alt='It's'>",
        '＜img src="a.png"＞',
        '<a href="https://a.example/>this</a>',
        "[the page](https://example.org/p",
        "<<First Name>>",
    ],
)
def test_what_is_never_meant_to_be_read_blocks_a_send(findings, text):
    assert left(findings, f"Words {text} words.")[0] == ("markup-left", text.removeprefix("note"))


@pytest.mark.parametrize(
    "text",
    [
        "Prices*\n*without VAT",
        "All `*.py` files, *.md, and 5 * 3.",
        "That's `quoted' in the old style, and Sana`a.",
        "a||b, a || b, x == y",
        "See [Ada (https://a.example/) and Ben].",
        "See (https://a.example/) [1].",
        "【注】（见下）",
        "Ask [@ada] on the web.",
        "C:\\temp and \\o/",
        "http://a.example/x//y /*",
    ],
)
def test_what_looks_like_a_stray_mark_and_is_none_is_left_alone(findings, text):
    assert left(findings, text) == []


def test_a_link_whose_address_was_a_tag_says_what_to_write(findings):
    told = [one.fix for one in findings("[the last letter]({% post_url x %})") if one.rule == "markup-left"]
    assert told == ["write an address in the ( ); that of an issue is the name of its file"]


@pytest.mark.parametrize("title", ["A <em>new</em> start", "Ada &amp; Ben", "One<br>two"])
def test_html_in_a_title_of_the_front_matter_is_found(rules, title):
    assert rules(f"---\ntitle: {title}\npreheader: Small.\n---\n\nText.\n")[:1] == ["markup-maybe"]


@pytest.mark.parametrize("title", ["Why <b> is back", "Q&A; more", "a < b > c"])
def test_a_title_may_talk_about_tags(rules, title):
    assert "markup-maybe" not in rules(f"---\ntitle: {title}\npreheader: Small.\n---\n\nText.\n")


@pytest.mark.parametrize(
    "text",
    [
        "<comment>Do not tell</comment>",
        "[//]: # (Do not tell)",
        "[comment]: do not tell",
        "[//] : # (Do not tell)",
        "［//］： # （先别说）",
        "％％先别说％％",
        "#+COMMENT do not tell",
        ":::comment",
        "\\begin{comment}",
    ],
)
def test_a_note_that_is_shown_blocks_a_send(findings, text):
    assert left(findings, f"Words\n{text}") == [("private-note", text)]


@pytest.mark.parametrize("text", ["Dear {name}", "Hi ${user.name}", "Hello {$name}", "亲爱的{name}", "Dear -name-"])
def test_a_common_name_in_braces_is_a_merge_field_in_a_greeting(findings, text):
    assert left(findings, f"{text}, welcome.") == [("markup-left", text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See [[Last week|the one before]].", "[[Last week|the one before]]"),
        # Marks that nothing closes, and links with a bracket too few or in the wrong place.
        ("这是**重点，没有结尾。", "**重点，没有结尾。"),
        ("This is **big and *it* goes\non and on.", "**big and it goes on and on."),
        ("This is *big and goes on.", "*big and goes on."),
        ("It is ~~struck and on.", "~~struck and on."),
        ("It is ==marked and on.", "==marked and on."),
        ("Run `make test and see.", "`make test and see."),
        ("See [a link(https://a.example/x) here.", "[a link(https://a.example/x)"),
        ("See a link](https://a.example/x) here.", "See a link](https://a.example/x)"),
        ("(https://a.example/x)[a link]", "(https://a.example/x)[a link]"),
        ("【官方博客】(https://a.example/x)", "【官方博客】(https://a.example/x)"),
        ("［官方］（https://a.example/x）", "［官方］（https://a.example/x）"),
        ("See [the words]\n(https://a.example/x) now", "[the words] (https://a.example/x)"),
        # Of other programs.
        ("[!NOTE] Take care.", "[!NOTE]"),
        ("Some \\textbf{big} words.", "\\textbf{big}"),
        ("As \\cite{x} says.", "\\cite{x}"),
        ("As [@smith2020] says.", "[@smith2020]"),
        ("See ((64ab0f12-1234-1234-1234-123456789abc)).", "((64ab0f12-1234-1234-1234-123456789abc))"),
        ("It is ||the butler||.", "||the butler||"),
        ("{漢字|かんじ}です", "{漢字|かんじ}"),
        ("#+BEGIN_QUOTE\nWords.", "#+BEGIN_QUOTE"),
        ("^block-id", "^block-id"),
        ("// Ask Ada", "// Ask Ada"),
        ("Words /* ask Ada */ words.", "/* ask Ada */"),
        ("》引用", "》引用"),
        (":::note\nWords.\n:::", ":::note"),
        ("!!! warning\n    Words.", "!!! warning"),
        ("Let $x^2$ be, for $10.", "$x^2$"),
        ("$$\na = b\n$$", "$$ a = b $$"),
        ("##Heading", "##Heading"),
        ("##中文", "##中文"),
        ("#Upcoming events", "#Upcoming events"),
        ("##\u00a0Kilns", "## Kilns"),
        ("##\u3000窑", "## 窑"),
        ("#letters/weekly #clay", "#letters/weekly #clay"),
        ("Words {.lead}", "{.lead}"),
        ("Take **this **word.", "**this **"),
        ("请看**重点 **文字", "**重点 **"),
        ("**Note:**take care", "**Note:**"),
        ("<div>**not bold**</div>", "**not bold**"),
        ("这是__强调__文字", "__强调__"),
        ("**Important: read this", "**Important: read this"),
        ("Read [the page] (https://example.org/p)", "[the page] (https://example.org/p)"),
        ("Read (the page)[https://example.org/p]", "(the page)[https://example.org/p]"),
        ("：：：note", "：：：note"),
        ("发布了 ：tada：", "：tada："),
        ('=== "Linux"\n    Words', '=== "Linux"'),
        ("\\begin{equation}\na = b\n\\end{equation}", "\\begin{equation}"),
        ("[文档]（https://example.org/d）", "[文档]（https://example.org/d）"),
        ("＃ 全角标题", "＃ 全角标题"),
        ("tags:: weekly", "tags:: weekly"),
        ("*[HTML]: the language of the web", "*[HTML]: the language of the web"),
        ('Read <a href="https://example.org">this page', '<a href="https://example.org">'),
        ('Watch <iframe src="https://example.org/f" allow> it', '<iframe src="https://example.org/f" allow>'),
        ("The area is x[^2], or 9 km.", "x[^2]"),
        ("9 km[^2] of clay", "km[^2]"),
        ("It finds foo[^a-z0-9].", "[^a-z0-9]"),
        ("Take <b>care, all of you.", "<b>"),
        ("The ++new words++ here", "++new words++"),
        ("这是++插入++文字", "++插入++"),
        ("See [the notes][notes].", "[the notes][notes]"),
        ('import Chart from "./chart"', 'import Chart from "./chart"'),
        ("<Chart data={rows} />", "<Chart data={rows} />"),
        ("I :nosuchthing: it.", ":nosuchthing:"),
        ("Read users/{name} first.", "{name}"),
        ("Read https://api.example.org/users/{username}/repos.", "{username}"),
        ("A paragraph. ^abc123", "^abc123"),
    ],
)
def test_what_may_be_meant_is_a_warning(findings, text, expected):
    assert left(findings, text)[0] == ("markup-maybe", expected)


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5, $10 and $20, or US$3; from $HOME to $PATH.",
        "#rustlang",
        "#rustlang and #weekly: C# and F#, issue #12.",
        "#Rust is on the rise, and I like it.",
        "A great idea, x %% y, {%s}, a %% b.",
        "A [link](https://example.org/?user[name]=x&email=%20name%20) to /users.",
        "It grew by 100%, then 50%% of %E4%B8%AD%E6%96%87.",
        "价格：￥5，时间：12:30:45。**重点**：见https://example.org/a。",
        "`{{< youtube >}}` and `%%x%%`, `[[x]]`, `$x$`, `![x](a b.png)`.",
        "```\n{{ x }} %%x%% ![[x]]\n##x\n```",
        "    {{< indented >}}",
        "std::vec, a::b::c, pkg:::fun, a[i][j], [1][2], x ** y ** z, 2**10.",
        "Vec<T>, <alice>, [sic], {a, b}, f{x}, ~approximately~.",
        r"\[\[x]] and \#word, \$x\$, &#123;{ name }}, \*\*bold \*\*word, \[x](a b.pdf)",
        "{{7*7}}",
        r"\:tada: and `:tada:`, \[[x]] and `[[x]]`",
        "> [!TIP] Title\n> ==x== :tada:\n\n![A|300](https://example.org/a.png){width=50%}\n\n### Here {#h}\n\nWords.",
        "A [link](https://example.org/{id}/100%/x) and [one](https://example.org/?x=%7B%7D).",
        "Wow![^1]\n\n[^1]: A note.",
        "[文档](https://example.org/d)（https://example.org/e）。",
        "Step 1... 3^2, x^2 and e^x",
        'Use the <a href="x">, a <div class="y"> tag, \\<div class="x">, <meta charset="utf-8">, <b class="x">b</b>',
        "**kwargs are named. [1] (https://example.org/p), [sic] (p. 3). a \\*\\*b\\*\\*",
        "格式：key：value, | one |, __init__",
        "Write ++i, not i++; ++count or count++. C++ and Notepad++, g++ and C++11. 5 ++ 6",
        "好~ 好~\n\n~完~\n\n~ the end ~\n\n~5 to ~6, ~/a and ~/b, H~2~O, 100~200元，1~2个",
        r"In a batch file, \%%i in a loop; `%%timeit` and `%%bash` in a notebook",
        r"a\%% not secret %%",
        "[Smith](2020: 15), [sic](p. 12), [Fig. 2](see p. 3) and [laughs](at 10:30)",
        "## TOC\n\n- [News](#news)\n- [Boards](#boards)\n\n## News\n\nThere are new ones.\n\n## Boards\n\nSmall ones.",
        "Write <note> and </note> around it, or <secret>, </secret>.",
        "hi-name-server is a tool, and Hi-name-tag another. Hi [city] people! Hello [Company].",
    ],
)
def test_what_is_markdown_or_prose_is_no_finding(findings, text):
    assert left(findings, text) == []


def test_the_place_is_that_of_the_words(findings):
    found = findings("First line\nsecond {{< x >}}\n\n> - quoted\n>   ![[y]]\n\n| a |\n|---|\n| [[z]] |")
    places = [(one.line, one.column) for one in found if one.rule.startswith("markup-")]

    assert places == [(10, 8), (13, 5), (17, 3)]


def test_subject_and_preheader_are_read_too(findings):
    front = '---\ntitle: Hello {first_name, "there"}\npreheader: For %FIRSTNAME%, 50% off\n---\n\nHello.\n'
    preheader, subject = (one for one in findings(front) if one.rule == "markup-left")

    assert subject.message == 'subscribers would see "{first_name, "there"}" in the subject'
    assert preheader.message == 'subscribers would see "%FIRSTNAME%" in the preheader'


@pytest.mark.parametrize(
    "text",
    [
        "We meet. %%Ada may be fired%%",
        "We meet. %%Ada **may** be [fired](https://example.org) &amp; `x` :tada:%% Bye.",
        f"We meet. %%{'Ada may be fired, ' * 60}%%",
        "We meet. %% it costs 100%% more.",
        "We meet. %%\n\nAda may be fired\n\n%% Bye.",
        "<div>\n%%Ada <b>may</b> be fired%%\n</div>",
        "> - %%Ada\n>   may be fired%%",
        "We meet. {/* Ada *may* be fired */}",
        "We meet. {>>Ada *may* be fired<<}",
        "We meet. {# Ada *may* be fired #}",
        "---\ntitle: We meet <!-- Ada may be fired -->\n---\n\nWords.",
        "---\ntitle: We meet\npreheader: Soon %%Ada may be fired%%\n---\n\nWords.",
    ],
)
def test_a_private_note_blocks_a_send_whatever_is_ignored(findings, text):
    ignored = "ignore: [markup-left, private-note]\n---\n"
    ignoring = text.replace("---\n\n", f"{ignored}\n") if "---" in text else f"---\ntitle: Notes\n{ignored}\n{text}"
    found = {one.severity for one in findings(ignoring) if one.rule == "private-note"}

    assert found == {"error"}


def test_a_private_note_is_called_what_it_is(findings):
    (found,) = (one for one in findings("We meet. %%Ada may be fired%%") if one.rule == "private-note")

    assert found.message == 'subscribers would see the Obsidian comment "%%Ada may be fired%%"'
    assert "<!--" in found.fix


def test_a_title_that_is_a_heading_is_told_once(findings):
    assert [one.rule for one in findings("# Hello {{< x >}}\n\nWords.\n")].count("markup-left") == 1


@pytest.mark.parametrize(
    "address",
    [
        "{{ unsubscribe_url }}",
        "https://example.org/?e={email}",
        "https://example.org/?u=*|UNIQID|*",
        "https://example.org/%%unsubscribe%%",
        "https://example.org/talk@TrackLink",
    ],
)
def test_an_address_with_a_merge_field_blocks_a_send(findings, address):
    (found,) = (one for one in findings(f"[Leave](<{address}>)") if one.rule == "markup-left")

    assert (found.severity, found.line) == ("error", 9)


def test_markdown_in_a_title_of_the_front_matter_is_told(findings):
    front = '---\ntitle: "==New== boards, **two**"\npreheader: Not ~~three~~\n---\n\nHello.\n'
    told = [one.message for one in findings(front) if one.rule == "markup-maybe"]

    assert told == [
        f'subscribers would see "{words}" in the {place}'
        for words, place in (("**two**", "subject"), ("==New==", "subject"), ("~~three~~", "preheader"))
    ]


def test_a_bare_address_that_was_taken_to_end_before_words_is_told(findings):
    told = [
        (one.rule, one.line, one.message)
        for one in findings(
            "官网 https://a.example/b 很好。\n见https://a.example/x/C语言。也见https://a.example/b和[文档](https://c.example/d)"
        )
        if "ends before" in one.message
    ]

    assert told == [("markup-maybe", 10, 'the link "https://a.example/x/C" ends before "语言"')]


def test_a_note_that_is_written_as_code_is_told(findings):
    (found,) = findings("```{warning}\nTake care.\n```\n\n```{python}\nx = 1\n```")

    assert (found.rule, found.line) == ("markup-maybe", 9)


def test_a_diagram_that_is_drawn_elsewhere_is_told(findings):
    (found,) = findings("```mermaid\ngraph TD; A-->B\n```\n\n```python\nx = 1\n```")

    assert (found.rule, found.line) == ("markup-maybe", 9)


def test_a_link_whose_address_a_site_generator_makes_blocks_a_send(findings):
    found = [one for one in findings("Read [this]({% post_url 2026-11-06-y %}).") if one.rule == "markup-left"]

    assert [one.message for one in found] == ['subscribers would see "[this]()"']


def has_one(parsed, signs) -> bool:
    """Tell whether each text that a parsed pattern matches has one of the signs."""
    run = ""  # literals in a row
    for kind, what in parsed:
        if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
            least, _, inside = what
            found = has_one([*inside] * least, signs)
        else:
            found = (
                (kind is kinds.SUBPATTERN and has_one(what[3], signs))
                or (kind is kinds.BRANCH and all(has_one(way, signs) for way in what[1]))
                or (kind is kinds.IN and all(one is kinds.LITERAL and chr(char) in signs for one, char in what))
            )
        run = f"{run}{chr(what)}" if kind is kinds.LITERAL else ""
        if found or any(sign in run for sign in signs):
            return True
    return False


@pytest.mark.parametrize(
    "markup", [*dialects.IN_WORDS, *dialects.IN_FRONT, dialects.IN_ADDRESSES], ids=lambda one: one.pattern.pattern[:30]
)
def test_a_text_without_the_signs_of_a_dialect_has_nothing_of_it(markup):
    signs = [sign for sign in markup.signs if not (sign.isalpha() and markup.pattern.flags & re.IGNORECASE)]

    assert has_one(parser.parse(markup.pattern.pattern, markup.pattern.flags), signs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "{{ a " * 800 + "%%ab " * 10_000 + "[a](" * 800 + "$a " * 1500,
        "<!-- a " * 19_000,
        f"[x](https://a.example/{{{{{'unsub' * 20_000})",
        "".join(f"[^{number}]: x\n" for number in range(3_000)),
    ],
    ids=["marks", "comments", "merge fields", "notes"],
)
def test_a_text_made_to_be_slow_is_checked_like_any_other(findings, text):
    began = time.process_time()

    assert findings(text)
    assert time.process_time() - began < 8


def test_a_link_to_unsubscribe_is_added_by_mailer(findings):
    for one in findings("[Unsubscribe]({{ unsubscribe_url }})"):
        assert one.fix == "remove it: mailer adds each subscriber's own link to unsubscribe below the issue"
