"""Marks that a Chinese or Japanese keyboard writes in full width are found where they mean nothing."""

import pytest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("＊＊重点＊＊文字", "＊＊重点＊＊"),
        ("＝＝标记＝＝", "＝＝标记＝＝"),
        ("｀代码｀文字", "｀代码｀"),
        ("＞ 引用", "＞ 引用"),
        ("- ［x］ 任务", "［x］"),
        ("见［［页面］］。", "［［页面］］"),
        ("文字［＾1］。", "［＾1］"),
        ("［图］（images/board.png）", "［图］（images/board.png）"),
        ("[文档]（https://a.example/d）", "[文档]（https://a.example/d）"),
    ],
)
def test_a_mark_in_full_width_is_named(findings, text, shown):
    (told,) = findings(text)
    assert (told.rule, f'"{shown}' in told.message) == ("markup-maybe", True)
    assert "half width" in told.fix


@pytest.mark.parametrize("text", ["好的～～谢谢～～", "＊注：价格另计", "５＞３", "［注］见（下）"])
def test_signs_of_a_chinese_text_are_meant(rules, text):
    assert rules(text) == []


def test_a_fence_that_a_wide_mark_should_close_is_not_closed(rules):
    assert rules("```js\ncode()\n｀｀｀\n这里是正文。") == ["unclosed"]
