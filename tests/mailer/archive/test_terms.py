from hypothesis import given
from hypothesis import strategies as st

from mailer.archive.terms import (
    LONGEST_QUERY,
    MOST_BYTES,
    MOST_WANTED,
    RUN,
    as_fts5,
    as_tsquery,
    as_tsvector,
    terms_of,
    wanted,
    within_limits,
)


def test_chinese_and_japanese_are_indexed_by_pairs_and_their_last_character():
    assert list(terms_of("模型压缩。TinyML在MCU上")) == ["模型", "型压", "压缩", "缩", "tinyml", "在", "mcu", "上"]
    assert list(terms_of("食べる")) == ["食べ", "べる", "る"]


def test_case_width_and_accents_make_no_difference_but_voiced_kana_do():
    assert list(terms_of("ＡＢＣ Crème ŒUVRE كِتَاب")) == ["abc", "creme", "œuvre", "كتاب"]
    assert list(terms_of("ｶﾞｲﾄﾞ")) == list(terms_of("ガイド"))
    assert list(terms_of("が")) != list(terms_of("か"))
    assert list(terms_of("हिन्दी")) == ["हिन्दी"]


def test_a_word_of_chinese_is_pairs_in_a_row_and_a_character_begins_a_pair():
    assert as_fts5(wanted("模型压缩 芯片 芯")) == '"模型 型压 压缩" AND "芯片" AND "芯"*'
    assert as_tsquery(wanted("模型压缩 芯")) == "('模型' <-> '型压' <-> '压缩') & ('芯':*)"


def test_other_words_are_found_by_their_beginning_unless_they_are_short():
    assert as_fts5(wanted("Model is 모델")) == '"model"* AND "is" AND "모델"*'


def test_a_query_is_cut_to_what_anybody_types():
    assert len(wanted(" ".join(map(str, range(100))))) == MOST_WANTED
    (long,) = wanted("a" * 10_000)
    assert len(long.terms[0]) <= LONGEST_QUERY


def test_terms_end_where_a_database_would_refuse_them():
    assert sum(map(len, within_limits(f"{number:07}" for number in range(200_000)))) <= MOST_BYTES
    places = as_tsvector(["a"] * 1_000 + ["b"] * 20_000).split()
    assert [len(place.split(",")) for place in places] == [255, 255]
    assert max(int(at) for place in places for at in place.split(":")[1].split(",")) < 16_384


@given(st.text(), st.text())
def test_no_query_says_anything_but_words(before, after):
    for hostile in ("'", '"', "\0", "*", "NEAR(", ")", ":*", " OR ", "\\", "--"):
        for word in wanted(before + hostile + after):
            assert all(RUN.fullmatch(term) for term in word.terms)
            assert not set("'\"\\\0*():-") & set("".join(word.terms))
