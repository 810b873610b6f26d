import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.archive import indexing
from mailer.archive.searching import A_PAGE, search
from tests.mailer.published import published

pytestmark = pytest.mark.django_db

CHINESE = "<h2>论文</h2><p>本期介绍模型压缩与芯片。</p><p>边缘计算的<em>嵌入式</em>设备。</p>"
JAPANESE = "<p>組み込みシステムで機械学習を動かす。</p>"
ENGLISH = "<p>Quantized models run on tiny devices.</p><p>Crème &amp; &lt;b&gt; brûlée</p>"


@pytest.fixture
def _three():
    published("2026-11-13", article=CHINESE, subject="第十三期", language="zh-hans")
    published("2026-11-20", article=JAPANESE, subject="二十号", language="ja")
    published("2026-11-27", article=ENGLISH, subject="Models of the week")
    indexing.catch_up()


def slugs(query: str, newsletter: str = "weekly") -> list[str]:
    found = search(newsletter, query)
    return [result.slug for result in found.results] if found else []


@pytest.mark.usefixtures("_three")
@pytest.mark.parametrize(
    ("query", "slug"),
    [
        *(("芯", "2026-11-13"), ("片", "2026-11-13"), ("芯片", "2026-11-13"), ("模型压缩", "2026-11-13")),
        *(("嵌入式", "2026-11-13"), ("论文 芯片", "2026-11-13"), ("第十三期", "2026-11-13")),
        *(("械", "2026-11-20"), ("学習", "2026-11-20"), ("機械学習", "2026-11-20"), ("ｼｽﾃﾑ", "2026-11-20")),
        *(("tiny", "2026-11-27"), ("DEVICE", "2026-11-27"), ("creme brulee", "2026-11-27"), ("ＴＩＮＹ", "2026-11-27")),
    ],
)
def test_words_of_one_two_and_more_characters_are_found(query, slug):
    assert slugs(query) == [slug]


@pytest.mark.usefixtures("_three")
@pytest.mark.parametrize("query", ["型模", "模型芯片", "缩与压", "iny", "芯片 tiny", "b OR tiny", "NOT tiny", "强"])
def test_what_no_issue_says_is_not_found(query):
    assert search("weekly", query).count == 0


@pytest.mark.parametrize(
    "char", ["⺀", "⻱", "⼀", "〇", "㐀", "𠮷", "𪜀", "𲎯", "豈", "ｱ", "ㇰ", "๏", "၏", "។", "က", "ขา"]
)
def test_each_character_finds_itself_alone_and_among_others(char):
    published("2026-11-20", article=f"<p>模{char}型</p>")
    published("2026-11-13", article=f"<p>{char}</p>")
    published("2026-11-06", article="<p>模型</p>")
    indexing.catch_up()
    assert slugs(char) == ["2026-11-20", "2026-11-13"]
    assert slugs(f"模{char}型") == slugs(f"模{char}") == slugs(f"{char}型") == ["2026-11-20"]
    assert slugs("模型") == ["2026-11-06"]


@pytest.mark.usefixtures("_three")
def test_another_newsletter_is_not_searched():
    assert slugs("芯片", "jianbao") == []


@pytest.mark.parametrize("query", ["", " ", "!?", '"', "\0", "😀"])
def test_a_query_without_a_word_is_none(query):
    assert search("weekly", query) is None


@pytest.mark.usefixtures("_three")
def test_a_result_shows_the_place_and_marks_what_was_looked_for():
    (result,) = search("weekly", "芯片 嵌入式").results
    assert ["".join(piece.text for piece in result.excerpt), [one.text for one in result.excerpt if one.hit]] == [
        "本期介绍模型压缩与芯片。",
        ["芯片"],
    ]
    (result,) = search("weekly", "cre BRULEE").results
    assert [(one.text, one.hit) for one in result.excerpt] == [
        *(("Crème", True), (" & <b> ", False), ("brûlée", True)),
    ]


def test_a_result_shows_what_its_issue_says_of_the_words_and_no_line_that_others_have_too():
    motto = "<p>No. {}: all about models and chips.</p>"
    for number, own in enumerate(("A chip of sand.", "Two chips and models.", "Nothing else.")):
        published(f"2026-11-{10 + number}", article=f"{motto.format(number)}<p>{own}</p>")
    indexing.catch_up()
    shown = ["".join(piece.text for piece in result.excerpt) for result in search("weekly", "chip model").results]
    assert shown == ["No. 2: all about models and chips.", "Two chips and models.", "A chip of sand."]
    published("2026-11-20", article="<p>A motto of chips.</p><p>Chips of gold.</p>")
    indexing.catch_up()
    (result,) = search("weekly", "motto").results
    assert result.excerpt[1].text == "motto"


def test_a_long_paragraph_is_cut_around_the_first_hit():
    published(article=f"<p>{'before ' * 99}needle {'after ' * 99}</p>")
    indexing.catch_up()
    (result,) = search("weekly", "needle").results
    shown = "".join(piece.text for piece in result.excerpt)
    assert shown.startswith("…before ")
    assert " needle after " in shown
    assert shown.endswith(" after…")
    assert len(shown) < 250


def test_issues_with_the_words_in_their_title_come_first_then_the_newest():
    published("2026-11-06", subject="Robots at work", article="<p>Words.</p>")
    published("2026-11-13", subject="One", article="<p>Robots.</p>")
    published("2026-11-20", subject="Two", article="<p>Robots.</p>")
    indexing.catch_up()
    assert slugs("robot") == ["2026-11-06", "2026-11-20", "2026-11-13"]


def test_results_come_in_pages():
    for number in range(1, A_PAGE + 4):
        published(f"2026-01-{number:02}", article="<p>Robots.</p>")
    indexing.catch_up()
    found = search("weekly", "robots", 2)
    assert (found.count, found.number, found.last, len(found.results)) == (A_PAGE + 3, 2, 2, 3)
    assert search("weekly", "robots", 99).number == 2


@pytest.mark.usefixtures("_three")
def test_a_search_takes_two_queries(django_assert_num_queries):
    with django_assert_num_queries(2):
        search("weekly", "tiny")


WORDS = st.lists(
    st.sampled_from(["芯片", "模型", "tiny", "a*", "NEAR(", '"', "'", "\0", "AND", ":*", "<->", "\\", "𠮷"])
)


@pytest.mark.usefixtures("_three")
def test_whatever_is_typed_is_answered():
    @settings(max_examples=200)
    @given(st.one_of(st.text(), WORDS.map("".join), WORDS.map(" ".join)))
    def ask(query):
        found = search("weekly", query)
        for result in found.results if found else []:
            assert result.slug

    ask()


@pytest.mark.usefixtures("_three")
def test_any_part_of_a_chinese_sentence_finds_it():
    sentence = "本期介绍模型压缩与芯片"
    parts = [sentence[begin:end] for begin in range(len(sentence)) for end in range(begin + 1, len(sentence) + 1)]
    assert [part for part in parts if slugs(part) != ["2026-11-13"]] == []
