"""A bare address in text without spaces ends where the text goes on, which is read as Markdown again."""

import pytest

from mailer.content.markdown import parse, to_html


def html(source: str) -> str:
    return to_html(parse(source).tokens).strip().removeprefix("<p>").removesuffix("</p>")


def a(address: str, words: str = "") -> str:
    return f'<a href="{address}">{words or address}</a>'


ONE, TWO = "https://a.example/b", "https://c.example/d"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"官网{ONE}，**重点**在这里", f"官网{a(ONE)}，<strong>重点</strong>在这里"),
        (f"官网{ONE}，参见[文档]({TWO})", f"官网{a(ONE)}，参见{a(TWO, '文档')}"),
        (f"{ONE}、{TWO}。", f"{a(ONE)}、{a(TWO)}。"),
        (f"{ONE},{TWO}", f"{a(ONE)},{a(TWO)}"),
        (f"{ONE}和{TWO}", f"{a(ONE)}和{a(TWO)}"),
        (f"{ONE}和[文档]({TWO})", f"{a(ONE)}和{a(TWO, '文档')}"),
        (f"{ONE},以及**重点**", f"{a(ONE)},以及<strong>重点</strong>"),
        (f"{ONE},**重点**", f"{a(ONE)},<strong>重点</strong>"),
        (f"{ONE}；`代码`，~~删~~", f"{a(ONE)}；<code>代码</code>，<s>删</s>"),
        (f"（{ONE}）", f"（{a(ONE)}）"),
        (f"~~见{ONE}~~", f"<s>见{a(ONE)}</s>"),
        (f"*见{ONE}*，", f"<em>见{a(ONE)}</em>，"),
        (f"{ONE}，![图](x.png)", f'{a(ONE)}，<img src="x.png" alt="图">'),
        ("官网https://a.example/b很好", f"官网{a(ONE)}很好"),
        ("地址：https://a.example/b欢迎star，", f"地址：{a(ONE)}欢迎star，"),
        ("**官网**https://a.example/b很好", f"<strong>官网</strong>{a(ONE)}很好"),
        (f"见{ONE}(英文)，", f"见{a(ONE)}(英文)，"),
        (f"زر {ONE}، ثم **مهم**", f"زر {a(ONE)}، ثم <strong>مهم</strong>"),
        ("访问https://a.example/下载。", f"访问{a('https://a.example/下载')}。"),
        ("官网https://a.example在这里", f"官网{a('https://a.example')}在这里"),
    ],
)
def test_what_follows_an_address_is_read_as_markdown(source, expected):
    assert html(source) == expected


@pytest.mark.parametrize(
    "address",
    [
        "https://zh.wikipedia.example/wiki/中文",
        "https://zh.wikipedia.example/wiki/Template:中文",
        "https://web.archive.example/web/2020/https://a.example/x",
        "https://a.example/wiki/Foo_(bar)",
        "https://a.example/?a[]=1",
        "https://例え.jp/あ",
    ],
)
def test_an_address_keeps_what_belongs_to_it(address):
    assert html(f"见 {address} 。") == f"见 {a(address)} 。"


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example/文档/a",
        "https://a.example/b/C语言/d?e=f",
        "https://zh.wikipedia.example/wiki/C语言",
        "https://a.example/b/关于",
        "https://a.example/b?q=中文",
        "https://baike.example/item/C语言",
        "https://zh.wikipedia.example/zh-cn/C语言",
        "https://blog.example/新版发布",
    ],
)
def test_an_address_in_a_sentence_without_spaces_keeps_its_own_wide_letters(address):
    assert html(f"官网{address}，后面") == f"官网{a(address)}，后面"


@pytest.mark.parametrize(
    ("before", "after"),
    [("（", "）"), ("「", "」"), ("见（", "，百科）"), ("", "。"), ("第一行\n", "，见下")],
    ids=["brackets", "quotes", "open", "line", "later"],
)
def test_an_address_in_brackets_or_at_the_beginning_of_a_line_is_whole(before, after):
    address = "https://a.example/b/C语言"

    assert html(before + address + after) == before.replace("\n", "\n") + a(address) + after


def test_wide_letters_belong_to_an_address_between_spaces():
    assert html("见 https://a.example/C语言 一文") == f"见 {a('https://a.example/C语言')} 一文"


def test_every_block_reads_on_behind_an_address():
    words = f"{ONE}，**重点**"

    written = html(f"| {words} | b |\n|---|---|\n| {ONE}，[文档]({TWO}) | d |\n\n- {words}\n\n## {words}\n")

    assert written.count("<strong>重点</strong>") == 3
    assert a(TWO, "文档") in written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("日期：11月29日\n地点：上海\n报名：网上", "日期：11月29日<br>\n地点：上海<br>\n报名：网上"),
        ("内容：\n1）一\n2)二\n1．三\n２．四", "内容：<br>\n1）一<br>\n2)二<br>\n1．三<br>\n２．四"),
        ("内容\n(1)一\na)二\n–三\n·四", "内容<br>\n(1)一<br>\na)二<br>\n–三<br>\n·四"),
        ("第一段。\n　　第二段。", "第一段。<br>\n　　第二段。"),
        ("一つ目です。\n　二つ目です。\n※ 手袋も", "一つ目です。<br>\n　二つ目です。<br>\n※ 手袋も"),
        ("鲁迅说：\n“世上本没有路”\n然后\n……\n走了", "鲁迅说：“世上本没有路”然后……走了"),
        ("他说：“**重**”\n和“好”", "他说：“<strong>重</strong>”和“好”"),
        ("Our stops:\na) Leek\nb) Buxton", "Our stops:<br>\na) Leek<br>\nb) Buxton"),
        ("(1) Leek\n(2) Buxton\nand home", "(1) Leek<br>\n(2) Buxton\nand home"),
        ("i. Leek\nii. Buxton", "i. Leek<br>\nii. Buxton"),
        ("🚂 Leek\n🚌 Buxton\n→ walk\n→ rest", "🚂 Leek<br>\n🚌 Buxton<br>\n→ walk<br>\n→ rest"),
        ("Where: Leek\nOpening times: 9 to 5", "Where: Leek<br>\nOpening times: 9 to 5"),
        ("**Q: Who?**\nA: Me.", "<strong>Q: Who?</strong><br>\nA: Me."),
        ("**Wo:** Leek\n**Wann:** um neun", "<strong>Wo:</strong> Leek<br>\n<strong>Wann:</strong> um neun"),
        ("المكان: هنا\nالزمان: الآن", "المكان: هنا<br>\nالزمان: الآن"),
        # What is wrapped stays together, and other scripts keep their spaces.
        ("We say it in one word\nhere: no. And we\nmean it", "We say it in one word\nhere: no. And we\nmean it"),
        ("either a) by train or\nb) on foot", "either a) by train or\nb) on foot"),
        ("a **bold**\n**line** here", "a <strong>bold</strong>\n<strong>line</strong> here"),
        ("他认为\n结论：这是对的", "他认为结论：这是对的"),
        ("As the law says in\n(1) and\na) more", "As the law says in\n(1) and\na) more"),
        ("Words “quoted”\n中文 and\n“more”", "Words “quoted”\n中文 and\n“more”"),
        ("참고:\n“한국어”", "참고:\n“한국어”"),
    ],
)
def test_lines_of_lists_and_names_stay_lines(text, shown):
    assert html(text) == shown
