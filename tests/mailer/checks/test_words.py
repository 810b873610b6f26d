import pytest

from mailer.checks import check


def titled(title: str, preheader: str = "What this is about.", more: str = "") -> str:
    return f'---\ntitle: "{title}"\npreheader: "{preheader}"\n{more}---\n\nHello there.\n'


def test_a_good_issue_has_no_findings(rules):
    assert rules("Read on.") == []


def test_a_subject_that_an_inbox_cuts_off_is_told_with_what_is_left_of_it(findings):
    (long,) = findings(titled("a" * 20 + " " + "b" * 60))
    assert (long.rule, long.line, long.column) == ("subject-long", 2, 8)
    assert "81 columns" in long.message
    assert f'"{"a" * 20} {"b" * 39}…"' in long.message


def test_a_wide_character_takes_two_columns_of_the_subject(rules):
    assert rules(titled("宽" * 30)) == []
    assert rules(titled("宽" * 31)) == ["subject-long"]


@pytest.mark.parametrize("title", ["THE BOARDS OF SPRING", "BOARDS: 小报"])
def test_a_subject_with_no_small_latin_letter_shouts_to_spam_filters(rules, title):
    assert rules(titled(title)) == ["subject-shouting"]


@pytest.mark.parametrize(
    "title",
    [
        "简报 二〇二六年十一月二十日 第三期",
        "AI-Report",
        "USB and you, again",
        "第 3 期：X 是什么",
        "嵌入式AI简报 (2026-11-20)",
        "周刊（第 12 期）：AI 的下一步",
        "Выпуск 12: AI и США",
    ],
)
def test_capitals_in_a_word_and_letters_without_case_do_not_shout(rules, title):
    assert rules(titled(title)) == []


@pytest.mark.parametrize(
    ("title", "like"),
    [("Re: your order", "a reply"), ("FWD: news", "a forwarded email"), ("回复：关于简报", "a reply")],
)
def test_a_subject_that_pretends_to_answer_is_told(findings, title, like):
    (found,) = findings(titled(title))
    assert found.rule == "subject-shouting"
    assert f"like {like}" in found.message


def test_a_missing_preheader_is_reported_with_the_text_that_replaces_it(findings):
    (missing,) = findings("# Boards of spring\n\nHello from the editor.\n")
    assert missing.rule == "preheader-missing"
    assert '"Hello from the editor."' in missing.message
    assert missing.line == 1


def test_a_preheader_that_repeats_the_subject_wastes_the_line(rules):
    assert rules(titled("Boards of spring", "Boards of Spring!")) == ["preheader-repeats"]
    assert rules(titled("Boards of spring", "Boards of spring: three small ones")) == ["preheader-repeats"]
    assert rules(titled("Boards", "Three boards")) == []


def test_a_line_break_in_the_title_is_an_error(findings):
    broken = findings('---\ntitle: "Hello\\r\\nBcc: everybody"\npreheader: x y\n---\n\nHello.\n')
    assert [(finding.rule, finding.severity) for finding in broken] == [("header-control", "error")]


def test_a_mark_that_turns_the_subject_around_is_an_error(rules):
    assert rules(titled("Invoice \u202egpj.exe")) == ["header-control"]


def test_a_date_that_was_copied_from_the_last_issue_is_told(findings):
    (wrong,) = findings(titled("Boards", more="date: 2026-11-13\n"))
    assert wrong.rule == "date-mismatch"
    assert "2026-11-13" in wrong.message
    assert "2026-11-20" in wrong.message
    (of_title,) = findings(titled("Weekly 2026-11-13"))
    assert of_title.rule == "date-mismatch"


def test_dates_that_agree_or_are_not_there_yet_are_fine(rules):
    assert rules(titled("Boards", more="date: 9999-99-99\n")) == []
    assert rules(titled("Boards", more="date: 2026-11-20 10:00\n")) == []
    assert rules(titled("Boards of 2025-01-01"), name="boards.md") == []


@pytest.mark.parametrize(
    "text", ["TODO", "- TODO: ask Ben", "It costs [TBD].", "Then（待补充）", "Lorem ipsum dolor sit"]
)
def test_unfinished_text_is_reported(rules, text):
    expected = [] if "Lorem" in text else ["unfinished"]
    assert rules(text) == expected or rules(text.lower()) == ["unfinished"]


@pytest.mark.parametrize(
    "text",
    [
        "[TK: number] people came.",
        "We sold TK boards.",
        "We sold TK.",
        "Boards FIXME here.",
        "Ask [insert name here].",
        "[图片]",
        "【此处插入截图】",
        "{TODO}",
        "[add the link here]",
    ],
)
def test_what_is_still_to_come_is_unfinished(rules, text):
    assert rules(text) == ["unfinished"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("One\ntwo\n`{{ x.y }}` and {{ x.y }} three", 11, 17),
        ("| a | b |\n|--|--|\n| c | {{ n.m }} |", 11, 7),
        ("One\ntwo TODO: x", 10, 5),
        ("One\n*|FNAME|*", 10, 1),
    ],
)
def test_what_is_not_filled_in_is_found_in_its_line(findings, text, line, column):
    (told,) = findings(text)
    assert (told.line, told.column) == (line, column)


@pytest.mark.parametrize(
    "text", ["TK Maxx has boards.", "The Tk toolkit.", "Tcl/TK is a toolkit.", "[add to calendar](https://a.example/)"]
)
def test_names_and_calls_are_finished(rules, text):
    assert rules(text) == []


@pytest.mark.parametrize(
    "text", ["How to find TODO comments", "`TODO: this`", "```\nTODO: code\n```", "Todos los días"]
)
def test_talk_of_todos_is_not_one(rules, text):
    assert rules(text) == []


def test_a_title_with_a_colon_at_its_end_is_not_finished(rules):
    assert rules(titled("Weekly：")) == ["unfinished"]


@pytest.mark.parametrize("quote", [">", "> 导读：", "> Abstract:", "> [!NOTE]"])
def test_a_quote_without_text_is_reported(findings, quote):
    told = findings(f"One.\n\n{quote}\n\nTwo.")
    assert [finding.rule for finding in told] == ["unfinished"]
    assert told[0].line == 11


def test_a_quote_with_text_an_image_or_code_is_complete(rules):
    assert rules("> 导读：本期十条。") == []
    assert rules("> ```\n> x = 1\n> ```") == []


@pytest.mark.parametrize(
    "text",
    [
        "Dear {{ first_name }},",
        "Dear {{name|default: 'you'}},",
        "Dear *|FNAME|*,",
        "Read it [LINK]",
        "[INSERT NAME HERE]",
    ],
)
def test_a_blank_that_nothing_fills_is_an_error(findings, text):
    assert [(finding.rule, finding.severity) for finding in findings(text)] == [("placeholder-left", "error")]


def test_each_blank_and_each_reminder_of_a_paragraph_is_told_once(findings):
    told = findings("Dear {{ name }}, [LINK], {{ name }}.\n\n*|A|* *|B|* *|A|*\n\nTODO: ask Ben, and (TBD).")

    assert [one.message.split('"')[1] for one in told] == ["{{ name }}", "[LINK]", "*|A|*", "*|B|*", "TODO", "(TBD)"]


@pytest.mark.parametrize("target", ["URL", "TODO", "https://"])
def test_a_link_to_a_blank_is_an_error(rules, target):
    assert "placeholder-left" in rules(f"[Words]({target})")


@pytest.mark.parametrize(
    "text", ["`{{ first_name }}`", "{{7*7}} and ${7*7}", "zq0123456789abcdef", "[x] and [1]", "```\n{{ user }}\n```"]
)
def test_braces_meant_to_be_seen_are_not_placeholders(rules, text):
    assert "placeholder-left" not in rules(text)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("Hello there.", 'begin with a line "# Title"'),
        ('<h1 align="center">Kiln <i>Letters</i>\n25</h1>\n\nHello there.', 'write "# Kiln Letters 25" for <h1>'),
        ('<h1><img src="https://a.example/l.png" alt=""></h1>\n\nHello there.', 'begin with a line "# Title"'),
    ],
)
def test_an_issue_without_a_title_is_told_how_to_write_the_one_that_it_has(proof, text, fix):
    (told,) = (one for one in check(proof(text)) if one.rule == "no-subject")
    assert told.fix.startswith(fix)
