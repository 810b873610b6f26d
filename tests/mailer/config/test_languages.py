"""A language is a code that programs know; any other is refused with those to choose from."""

import pytest

from mailer.config.languages import read_language


@pytest.mark.parametrize(
    ("text", "code"),
    [("en", "en"), ("zh_Hans", "zh-hans"), ("PT-BR", "pt-br"), ("ar", "ar"), ("gsw", "gsw"), ("yue-Hant", "yue-hant")],
)
def test_codes_are_read_as_they_are_usually_written(text, code):
    assert read_language(text) == code


@pytest.mark.parametrize("text", ["english", "xx", "Deutsch", "", "e", "chinese", "12"])
def test_an_unknown_language_is_refused_with_the_list(text):
    with pytest.raises(ValueError, match=r"write one of en, zh-hans, .*, ja, .*, or another code of ISO 639"):
        read_language(text)


def test_the_long_code_of_a_language_with_a_short_one_is_refused_with_the_short_one():
    with pytest.raises(ValueError, match="shorter code: zh-hans"):
        read_language("chi")
