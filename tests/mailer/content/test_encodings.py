import pytest

from mailer.content.encodings import likely_encoding

CHINESE = "# 嵌入式AI简报\n\n日期：2026-11-29，上海。本期介绍量化之后模型为什么没有变快，以及三块新的开发板。\n"
TRADITIONAL = "# 週報\n\n這一期介紹新的開發板，還有讀者的來信與問題。\n"
JAPANESE = "# ニュースレター\n\n今週のニュースをお届けします。新しいボードとコンパイラの話です。\n"
KOREAN = "# 주간 소식\n\n이번 호에서는 새로운 보드와 컴파일러를 소개합니다.\n"


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (CHINESE, "gbk", "GBK"),
        (CHINESE, "gb18030", "GBK"),
        (TRADITIONAL, "big5", "Big5"),
        (JAPANESE, "shift_jis", "Shift JIS"),
        (JAPANESE, "euc_jp", "EUC-JP"),
        (KOREAN, "euc_kr", "EUC-KR"),
        ("# News\n\nIt’s called “Café”.\n" * 3, "utf-16-le", "UTF-16"),
        ("# Café Notes\n\nÜber uns: señor, garçon.\n", "latin-1", "Windows-1252"),
        ("It’s the “new” board – at last.\n", "cp1252", "Windows-1252"),
        ("Новости недели: новая плата и компилятор.\n", "cp1251", ""),
    ],
)
def test_the_encoding_that_a_text_probably_has_is_named(text, encoding, name):
    assert likely_encoding(text.encode(encoding)) == name


def test_bytes_that_are_no_text_have_no_encoding():
    assert likely_encoding(bytes(range(128, 256)) * 4) == ""
