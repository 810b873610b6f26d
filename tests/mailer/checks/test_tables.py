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
