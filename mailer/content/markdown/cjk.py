"""Repair what Markdown gets wrong in text without spaces: emphasis, soft breaks, the end of a bare address."""

import re
import unicodedata

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, linkify
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

from mailer.content.patterns import lazy


def cjk_plugin(md: MarkdownIt) -> None:
    """Make `**加粗：**文字` bold, which CommonMark refuses because no space follows the second mark."""
    md.inline.ruler.at("emphasis", _emphasis)
    md.inline.ruler.at("linkify", _linkify)


def _emphasis(state: StateInline, silent: bool) -> bool:
    marker = state.src[state.pos]
    if silent or marker not in "_*":
        return False
    scanned = state.scanDelims(state.pos, marker == "*")
    opens, closes = scanned.can_open, scanned.can_close
    if _BETWEEN_NUMBERS.match(state.src, max(state.pos - 1, 0)):
        opens = closes = False
    elif marker == "*":
        end = state.pos + scanned.length
        before = state.src[state.pos - 1] if state.pos else " "
        after = state.src[end] if end < state.posMax else " "
        opens = opens or _may_touch(outside=before, inside=after) or (is_prefix(before) and not after.isspace())
        closes = closes or _may_touch(outside=after, inside=before) or (goes_on(after) and not before.isspace())
    for _ in range(scanned.length):
        token = state.push("text", "", 0)
        token.content = marker
        state.delimiters.append(
            Delimiter(
                marker=ord(marker), length=scanned.length, token=len(state.tokens) - 1, end=-1, open=opens, close=closes
            )
        )
    state.pos += scanned.length
    return True


_BETWEEN_NUMBERS = re.compile(r"\d\*{1,2}\d")  # "2*3*4" multiplies


def _may_touch(outside: str, inside: str) -> bool:
    """Tell whether emphasis may begin or end between these two, without a space and with punctuation on one side."""
    return not inside.isspace() and (is_wide(outside) or is_wide(inside))


def is_wide(char: str) -> bool:
    """Tell whether it is a character of a script without spaces, or its punctuation. Korean is wide and has spaces."""
    return unicodedata.east_asian_width(char) in "WF" and not "\uac00" <= char <= "\ud7a3"


def goes_on(char: str) -> bool:
    """Tell whether it is a letter that follows a word or its mark without a space: Korean endings, Thai, Khmer, …"""
    return not char.isascii() and any(first <= char <= last for first, last in _GO_ON)


def is_prefix(char: str) -> bool:
    """Tell whether it is a letter of Hebrew or Arabic, where "and" or "the" stands before a word without a space."""
    return "\u05d0" <= char <= "\u05ea" or "\u0620" <= char <= "\u064a"


_GO_ON = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\uac00", "\ud7a3"))


_WIDE_LETTER = "[\u3005\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"


def join_wide_lines(children: list[Token]) -> list[Token]:
    """Remove soft breaks between two wide characters, because browsers show a soft break as a space.

    A line that begins as one of a list does, "②…", "2、…" or "• …", stays a line: Markdown knows no such lists. So does
    one that is indented as a paragraph, and each of two or more that begin alike, "地点：上海" or "b) glaze".
    """
    if not any(child.type == "softbreak" for child in children):
        return children
    meant = _meant_breaks(children)
    following = " "
    touches: list[str] = []  # from the end: what the line that follows begins with
    for child in reversed(children):
        touches.append(following)
        following = (_shown(child)[:2] + following)[:2]
    preceding = " "
    kept = []
    for number, (child, begins) in enumerate(zip(children, reversed(touches), strict=True)):
        if child.type != "softbreak":
            kept.append(child)
        elif number in meant:
            kept.append(Token("hardbreak", "br", 0))
        elif not _touch(preceding, begins):
            kept.append(child)
        preceding = (preceding + _shown(child)[-2:])[-2:]
    return kept


def _meant_breaks(children: list[Token]) -> set[int]:
    """Return the positions of the breaks before lines that were certainly written as lines."""
    breaks = [-1, *(number for number, child in enumerate(children) if child.type in ("softbreak", "hardbreak"))]
    kinds = ["", *(_kind_of_line(children, number + 1) for number in breaks), ""]
    return {
        position
        for number, position in enumerate(breaks, 1)
        if kinds[number] and (kinds[number] == "listed" or kinds[number] in (kinds[number - 1], kinds[number + 1]))
    }


def _kind_of_line(children: list[Token], start: int) -> str:
    """Say how a line begins; "" if that is no sign of a line. "**Q:**" and "**Q: Why?**" count as "Q: Why?"."""
    shown = [child for child in children[start : start + 3] if child.content or child.type != "text"]
    if not shown:
        return ""
    text = shown[1] if shown[0].type == "strong_open" and len(shown) > 1 else shown[0]
    if text.type != "text":
        return ""
    if text is shown[0] and _LISTED.match(text.content):
        return "listed"
    found = _ALIKE.match(text.content)
    return (found[found.lastgroup] if found.lastgroup == "mark" else str(found.lastgroup)) if found else ""


def _touch(before: str, after: str) -> bool:
    """Tell whether no space belongs between two texts, of which two characters are given."""
    return _ends_wide(before[-1:], before[:-1]) and _ends_wide(after[:1], after[1:])


def _ends_wide(edge: str, inside: str) -> bool:
    """Tell whether the character at an edge is wide; quotation marks and dashes are as wide as what they belong to."""
    if edge in "“”‘’":
        return bool(inside) and is_wide(inside)
    return is_wide(edge) or (edge in "…—" and edge == inside)


_COUNTED = "[0-9０-９]{1,2}"
_IN_CHINESE = "[一二三四五六七八九十]{1,3}"
_LISTED = lazy(
    rf"{_COUNTED}[、．）]|{_IN_CHINESE}、|（(?:{_COUNTED}|{_IN_CHINESE}|[a-zA-Z])）|[①-⓿❶-➓㈠-㈩]|\u3000"
    rf"|[※・•●○◆◇■□▪►▶]\s?\w|(?:{_COUNTED}[.)]|\((?:{_COUNTED}|[a-zA-Z])\)|[a-zA-Z][)）]|[–·]) ?(?={_WIDE_LETTER})"
)
_ALIKE = lazy(
    rf"(?P<named>{_WIDE_LETTER}{{1,8}}：|[^\W\d_][\w'’&./-]{{0,20}}(?: [\w'’&./-]{{1,20}}){{0,2}}:(?:\s|\Z))"
    r"|(?P<lettered>\(?[a-zA-Z]\)\s|(?:i{1,3}|iv|vi{0,3}|ix|x)[.)]\s)|(?P<numbered>\(\d{1,2}\)\s)"
    r"|(?P<mark>[–—→➜✓✔✗✘☐☑★☆])\s|(?P<emoji>[\u2600-\u27bf\U0001f300-\U0001faff])"
)


def _shown(child: Token) -> str:
    return "" if child.type == "image" else child.content


def _linkify(state: StateInline, silent: bool) -> bool:
    """Tell linkify, which sees the text from an address on, what stands before it."""
    before = _BEFORE.search(state.src, max(state.pos - 20, 0), state.pos)
    state.md.linkify.before = before[1] if before else ""  # type: ignore[union-attr]
    return linkify(state, silent)


_BEFORE = re.compile(r"([^A-Za-z0-9.+*_~-])[*_~]{0,6}[A-Za-z][A-Za-z0-9.+-]*\Z", re.DOTALL)


def end_of_address(found: str, before: str = "") -> int:
    """Return how many characters of a bare address belong to it; `found` is what linkify finds, from its "//" on.

    Text without spaces goes on right behind an address, with the marks of Markdown and the next address in it.
    """
    if host := _HOST.match(found):
        return host.end()
    after = _AFTER_ADDRESS.search(found)
    address = found[: after.start()] if after else found
    if after and not after["punctuation"]:
        # "https://a.example/b和[文档](…)": what joins the two is no part of the address.
        while address and (is_wide(address[-1]) or address[-1] in ",.;:!?"):
            address = address[:-1]
    if before and is_wide(before) and before not in _OPENING and (sentence := _sentence(address)):
        return sentence.end()
    return len(address)


def _sentence(address: str) -> re.Match[str] | None:
    """Find the sentence that goes on behind "官网https://a.example/b很好", without a space as before the address.

    What has spaces or brackets around it, or begins a line, is kept, as are entries of encyclopedias and sites that
    have wide letters in their paths: "见 https://a.example/C语言 一文", "https://zh.wikipedia.example/zh-cn/C语言".
    """
    if _NAMED_IN_WIDE_LETTERS.search(address):
        return None
    # What an address has behind its wide letters is part of it: "https://a.example/文档/a".
    last = max(map(address.rfind, "/?=&#%")) + 1
    return _GOES_ON_BEHIND.search(address, last) if last > len("//") else None


def cut_behind(address: str, following: str) -> str:
    """Return the words, "很好" of "官网https://a.example/b很好", that a bare address was taken to end before, or ""."""
    within = "/" in address.partition("//")[2] and address[-1].isalnum()
    found = _WORDS.match(following) if within and not following[:1].isascii() else None
    return found[0] if found and found[0] not in _JOINS else ""


def ends_within(text: str, start: int, length: int) -> bool:
    """Tell whether a bare address, from its "//" on, certainly ends in that many characters."""
    return bool(_AFTER_ADDRESS.search(text, start, start + length))


_LETTER = "[\u2e80-\u2fff\u3005\u3040-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff]"
_WIDE = "[\u2e80-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff]"
_GOES_ON_BEHIND = lazy(rf"(?<=[A-Za-z0-9])(?={_WIDE})")
_NAMED_IN_WIDE_LETTERS = re.compile(r"/(?:wiki|item|zh(?:-[A-Za-z]+)?)/")
_OPENING = "（「『【《〈〔［｛"
_JOINS = "和与與及或跟"  # between two addresses
_WORDS = lazy(rf"{_LETTER}+")
# A host that a sentence follows: "https://a.example在这里".
_HOST = lazy(rf"//[A-Za-z0-9.-]*\.[A-Za-z]{{2,}}(?={_WIDE})")
_AFTER_ADDRESS = lazy(
    # Punctuation that belongs to the sentence around the address.
    "(?P<punctuation>[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65“”‘’…—،؛؟۔।])"
    rf"|[,;!](?={_WIDE})|(?<=[A-Za-z0-9/])\((?={_WIDE})"
    r"|,(?=https?://)"
    # Bold, deleted or program text, a link or an image, the next address.
    rf"|\*\*|~~|`|!?\[[^\[\]]*\]\(|(?<={_WIDE})https?://"
)
