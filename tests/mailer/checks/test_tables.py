import pytest

TOP = "---\ntitle: Boards of spring\npreheader: Small ones.\n---\n\nHello.\n\n"


def table(*rows: str) -> str:
    head, *rest = rows
    return TOP + "\n".join([head, "|---" * head.count(" | ") + "|---|", *rest]) + "\n"


@pytest.mark.parametrize(
    "rows",
    [
        (
            "| Board | Processor | Memory | Temperature | Manufacturer | Consumption | Frequency | Description |",
            "| Alpha | Cortex | 512 kB | 128 | Nordic | 10 mW | 80 MHz | Microcontroller |",
        ),
        ("| Name | Code |", f"| Paper | `{'quantization_aware_training_' * 4}` |"),
        ("| Name | Link |", f"| Paper | [{'quantization/aware/training/' * 4}](https://a.example/) |"),
    ],
)
def test_a_table_that_an_email_would_cut_off_is_told(findings, rows):
    (told,) = findings(table(*rows))
    assert (told.rule, told.severity, told.line) == ("table-wide", "warning", 8)
    assert "and an email has 576" in told.message


@pytest.mark.parametrize(
    "rows",
    [
        ("| Board | Core | Flash | RAM | Price | Power |", "| Alpha | M4 | 512 kB | 128 kB | 12 EUR | 10 mW |"),
        ("| Board | What it is |", f"| Alpha | {'words that can be wrapped ' * 20} |"),
        ("| 名称 | 处理器 | 说明 |", f"| 阿尔法 | 内核 | {'说明文字可以换行' * 12} |"),
        ("| A | B |", "| only one |"),
    ],
)
def test_a_table_that_fits_is_not(rules, rows):
    assert "table-wide" not in rules(table(*rows))


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("| a | b |\n| 1 | 2 |", 8, "| a | b |"),
        ("Open:\n| Day | Hours |\n| Sat | 9-12 |", 9, "| Day | Hours |"),
        ("1. Open:\n| Day | Hours |\n|---|---|\n| Sat | 9-12 |", 9, "| Day | Hours |"),
        ("| Day | Hours |\n|---|---|\n\n| Sat | 9-12 |", 11, "| Sat | 9-12 |"),
        ("| 名称 | 说明 |\n|：--|：--|\n| 一 | 二 |", 8, "| 名称 | 说明 |"),
        ("｜ 名称 ｜ 说明 ｜\n｜---｜---｜", 8, "｜ 名称 ｜ 说明 ｜"),
        ("| a | `x|y` |\n|---|---|\n| 1 | 2 |", 8, "| a | `x|y` |"),
        ("a | b | c\n---|---\n1 | 2 | 3", 8, "a | b | c"),
        ("| Sun |\n| Mon |", 8, "| Sun |"),
        ("｜周日｜休息｜", 8, "｜周日｜休息｜"),
        ("| 名称 |\n｜---｜", 8, "| 名称 |"),
        ("+-----+------+\n| Day | Hours |\n+-----+------+", 9, "| Day | Hours |"),
    ],
)
def test_rows_outside_a_table_are_told(findings, text, line, named):
    (told,) = findings(f"{TOP}{text}\n")
    assert (told.rule, told.line) == ("markup-maybe", line)
    assert f'"{named}" is in no table' in told.message
    assert "|---|---|" in told.fix


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("**Sat** | Fair\n**Sun** | Rain", '"**Sat** | Fair" and the line below it'),
        ("> Day | Hours\n> Sat | 9-12\n> Sun | 9-11", '"Day | Hours" and the 2 lines below it'),
        ("- 时间 | 地点\n  周六 | 北京", '"时间 | 地点" and the line below it'),
        ("窑温｜时间\n低温｜三小时\n高温｜八小时", '"窑温｜时间" and the 2 lines below it'),
        ("曜日 ｜時間\n土｜ 九時から", '"曜日 ｜時間" and the line below it'),
        ("Day | Hours\n---\nSat | 9-12\nSun | 9-11", '"Day | Hours" and the line below it'),
    ],
)
def test_rows_without_a_head_are_told_once(findings, text, named):
    (told,) = findings(f"{TOP}{text}\n")
    assert (told.rule, told.line) == ("markup-maybe", 8)
    assert told.message == f"{named} begin no table, so subscribers would see a text"


@pytest.mark.parametrize(
    "text",
    [
        "Title | Source",
        "[Read](https://a.example/a) | [Archive](https://a.example/b)",
        "Pipe it: cat a | sort, which is\nwhat everybody does.",
        "Home | About\\\nContact | Terms",
        "Date: 3 May | Place: Rome\nDate: 9 May | Place: Oslo",
        "Home | About<br>\nContact | Terms",
        "`a | b` is one,\n`c | d` is another.",
        "The Weekly | Boards\n---\n\nWords.",
        "|x| + |y| = |z|",
        "|a - c| ≤ |a - b| + |b - c|",
        "｜编者的话｜",
        "Hello.\n|News of the kiln|\nWords.",
        "窑温笔记｜春季号",
        "时间：周六｜地点：窑场\n时间：周日｜地点：书店",
        "首页｜存档\\\n联系｜关于",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "a | b\n--|--\n1 | 2",
        "a \\| b\nc \\| d",
    ],
)
def test_a_pipe_in_a_text_is_meant(rules, text):
    assert rules(f"{TOP}{text}\n") == []
