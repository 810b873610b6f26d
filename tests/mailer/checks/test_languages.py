import pytest

CHINESE = "这一期的周刊介绍三块新的开发板，还有一篇关于编译器的论文，欢迎阅读和转发。" * 2
JAPANESE = "今週のニュースレターでは、新しいボードを三つ紹介します。ぜひ読んでください。" * 2
ENGLISH = "Three boards that are small, cheap and quick, and a paper on compilers. " * 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (CHINESE, "zh-hans"),
        (f"{CHINESE} (Python 3.14, C++, `a_long_name_of_a_function_in_code_that_is_shown_here`)", "zh-hans"),
        (JAPANESE, "ja"),
        ("새로운 보드 세 개를 소개합니다. 작고 싸고 빠릅니다. 그리고 컴파일러에 관한 논문도 있습니다.", "ko"),
        ("ثلاث لوحات صغيرة ورخيصة وسريعة، وبحث عن المترجمات في هذا العدد.", "ar"),
    ],
)
def test_an_issue_in_another_language_than_the_newsletter_names_the_line_that_is_missing(findings, text, code):
    (told,) = findings(f"Intro.\n\n## A\n\n{text}")
    assert (told.rule, told.severity) == ("language-other", "hint")
    assert f'"language: {code}"' in told.fix


PERSIAN = "سه برد کوچک و ارزان و سریع، و مقاله‌ای دربارهٔ کامپایلرها در این شماره."
URDU = "تین چھوٹے، سستے اور تیز بورڈ، اور کمپائلرز پر ایک مقالہ اس شمارے میں۔"
YIDDISH = "דרײַ קליינע, ביליקע און גיכע ברעטלעך, און אן ארטיקל וועגן קאמפיילערס."


@pytest.mark.parametrize(
    ("text", "newsletter"),
    [
        (ENGLISH, {}),
        (f"{ENGLISH}\n\n> 学而时习之，不亦说乎？有朋自远方来，不亦乐乎？", {}),
        ("你好！", {}),
        (CHINESE, {"language": "zh-hans"}),
        (CHINESE, {"language": "zh-hant"}),
        (ENGLISH, {"language": "zh-hans"}),
        (PERSIAN, {"language": "fa"}),
        (PERSIAN, {"language": "fa-ir"}),
        (URDU, {"language": "ur"}),
        (URDU, {"language": "ckb"}),
        (YIDDISH, {"language": "yi"}),
        (CHINESE, {"language": "yue"}),
    ],
)
def test_other_issues_are_in_the_language_that_their_newsletter_names(rules, text, newsletter):
    assert rules(text, **newsletter) == []


def test_an_issue_that_names_its_language_is_right(rules):
    front = "---\ntitle: Boards of spring\ndate: 2026-11-20\npreheader: Three small ones.\nlanguage: zh-hans\n---\n\n"
    assert rules(front + CHINESE) == []
