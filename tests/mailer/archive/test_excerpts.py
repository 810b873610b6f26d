from mailer.archive.excerpts import WIDTH, Excerpt, Opening, excerpts, shortened, width


def of(*openings: tuple[str, str]) -> list[str]:
    return [one.text for one in excerpts([Opening(preheader, text, []) for preheader, text in openings])]


def test_an_editors_own_preheader_stands():
    assert of(("What is new in chips", "Hello. Chips."), ("Robots", "Hello. Robots.")) == [
        "What is new in chips",
        "Robots",
    ]


def test_sentences_that_stand_in_several_issues_are_left_out_also_if_a_number_differs():
    begin = "大家好，这是第%s期嵌入式AI简报。"
    one, two = begin % 12, begin % 13
    assert of((one, one + "本期介绍一种新的模型压缩方法。"), (two, two + "芯片的价格这个月又下降了一些。")) == [
        "本期介绍一种新的模型压缩方法。",
        "芯片的价格这个月又下降了一些。",
    ]


def test_an_issue_that_says_nothing_of_its_own_keeps_its_preheader():
    assert of(("Hello all.", "Hello all."), ("Hello all.", "Hello all.")) == ["Hello all."] * 2


def test_no_issues_have_no_excerpts():
    assert excerpts([]) == []
    assert excerpts([Opening("", "", ["/a.png"])]) == [Excerpt("", "/a.png")]


def test_a_long_one_is_cut_between_words_and_chinese_at_half_as_many_characters():
    cut = shortened("many words " * 60)
    assert cut.endswith(("words…", "many…"))
    assert width(cut) <= WIDTH + 1
    assert len(shortened("字" * 300)) == WIDTH // 2 + 1
