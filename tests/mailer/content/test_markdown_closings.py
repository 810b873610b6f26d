"""The closing of a letter keeps its lines, without a mark at their ends."""

import pytest

from mailer.content.markdown import parse, to_html


def lines(text: str) -> int:
    return to_html(parse(text).tokens).count("<br>") + 1


@pytest.mark.parametrize(
    "closing",
    [
        "Best wishes,\nAda",
        "See you on Friday.\n**Ada & Ben**",
        "Bis bald!\n[Ada](https://ada.example)",
        "Mit feurigen Grüßen\nAda & Ben",
        "À bientôt !\nL’équipe du four",
        "祝好，\n小明",
        "此致\n敬礼",
        "それでは、また来週。\n窯だより編集部",
        "Cheers,\n— Ada",
        "顺颂\n春祺！",
        "敬具\n窯元 田中花子",
        "謝謝\n陶藝組",
        "مع أطيب التمنيات،\nليلى",
        "בברכה,\nדנה",
        "감사합니다.\n가마 편집부",
        "Yours,\nAda (Editor)",
    ],
)
def test_a_closing_has_two_lines(closing):
    assert lines(closing) == 2


def test_a_closing_may_say_who_that_is():
    assert lines("Cheers,\nAda Lovelace\nEditor of the Kiln Letters") == 3


@pytest.mark.parametrize(
    "text",
    [
        "The kiln is warm, and we are all very glad of it,\nAda",
        "The kiln is warm,\nand we are glad",
        "The kiln is warm.\nWe are glad.",
        "He asked:\nWhy",
        "他认为\n结论是对的",
        "This week\nin the kiln",
        "The potter says,\nAnd I agree: “Slow down.”",
        "Spring came early.\n(We were not ready!)",
        "老师听了，\n笑着说：“慢慢来。”",
        "窑开了。\n（大家都到了）",
        "谢谢\n你一直在读。",
        "窯が届きました。\n来週から使えます",
        "وصل الفرن،\nوهو دافئ.",
        "Best wishes,\n`Ada`",
        "- Best wishes,\n  Ada",
        "> Best wishes,\n> Ada",
        "[Kiln](https://kiln.example)\nWarm again",
    ],
)
def test_other_lines_run_together_as_in_all_of_markdown(text):
    assert lines(text) == 1
