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


def test_every_block_reads_on_behind_an_address():
    words = f"{ONE}，**重点**"

    written = html(f"| {words} | b |\n|---|---|\n| {ONE}，[文档]({TWO}) | d |\n\n- {words}\n\n## {words}\n")

    assert written.count("<strong>重点</strong>") == 3
    assert a(TWO, "文档") in written
