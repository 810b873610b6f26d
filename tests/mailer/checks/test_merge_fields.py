"""Fields that another service would have filled in are found in the languages that people write in."""

import pytest


def told(findings, text: str) -> list[tuple[str, str]]:
    return [(one.rule, one.message.split('"')[1]) for one in findings(text)]


@pytest.mark.parametrize(
    "text",
    [
        "亲爱的{姓名}",
        "尊敬的[姓名]",
        "亲爱的【昵称】",
        "亲爱的%姓名%",
        "こんにちは、{名前}",
        "Hallo {Vorname}",
        "Bonjour {prénom}",
        "Hola {nombre}",
        "Dear <First Name>",
        "Dear FNAME",
        "亲【姓名】",
        "عزيزي [الاسم]",
        "{{姓名}}",
        "｛｛ name ｝｝",
    ],
)
def test_a_field_in_a_greeting_blocks_a_send(findings, text):
    assert told(findings, f"{text}, welcome.") == [("markup-left", text)]


def test_a_field_elsewhere_may_be_meant(findings):
    assert told(findings, "The file users/{姓名} is new.") == [("markup-maybe", "{姓名}")]


@pytest.mark.parametrize(
    "text",
    [
        "From New Delhi XX to here, with sushi XXX.",
        "Hello XXX-rated jokes, hi XX century.",
        "父亲【姓名】：王某。",
        "母亲[姓名]未填。",
        "【姓名】张三",
        "Hi Name of mine, dear all.",
        "亲爱的读者，【重点】",
        "git clone <name>",
    ],
)
def test_names_in_other_brackets_are_text(rules, text):
    assert rules(text) == []
