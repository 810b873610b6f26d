"""What an editor should know of a text that becomes an email: what was left out, and what was never closed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it.token import Token

from mailer.config.rules import Severity


@dataclass(frozen=True)
class Remark:
    """Something an editor should know of, though the email can be made. Line and column count from 0."""

    line: int
    column: int
    rule: str
    message: str
    fix: str
    severity: Severity = "warning"


_WHY = {
    "liquid": "it is for a site generator and does nothing in an email",
    "html-dropped": "email clients do not show it",
    "html-unwrapped": "email clients do not support it; its text stays",
}
_FIX = {
    "liquid": "write out what it expands to",
    "html-dropped": "remove it, or write it in Markdown",
    "html-unwrapped": "write it in Markdown, or leave it",
}


# Tags that go without a trace of what they did: a field to fill in. Of others whose text stays, nobody misses anything.
_MISSED = re.compile(r"<(area|form|frame|frameset|input|map|meter|progress|select|textarea)>")
# Notes to colleagues, declarations, and what sets a site generator's variables or a site's classes.
_UNSEEN = {
    "html-dropped": re.compile(r"<!--.*-->|<![A-Za-z][^>]*>|<\?.*\?>", re.DOTALL),
    "liquid": re.compile(r"\{%-?\s*(comment|assign|raw|endraw)\b.*|\{:(?!:?\s*toc\b).*", re.DOTALL),
}


def left_out(line: int, text: str, rule: str = "liquid") -> Iterator[Remark]:
    """Name what the email cannot show and somebody could miss. "html-unwrapped" says that only the tag goes."""
    if rule == "unclosed":
        first = shortened(text.strip().split("\n")[0])
        what = f'the comment "{first}" is never closed, so the text after it is missing from the email'
        yield Remark(line, 0, rule, what, 'write "-->" where the comment ends', "error")
    elif text == "<details>":
        what = "what <details> folds away is shown openly, because email clients do not fold"
        yield Remark(
            line, 0, "details-open", what, "leave it, or link to a page that has what should stay hidden", "hint"
        )
    elif not _is_harmless(text.strip(), rule):
        named = "html-dropped" if rule == "html-unwrapped" else rule
        yield Remark(line, 0, named, f"{shortened(text)} is left out: {_WHY[rule]}", _FIX[rule])


def _is_harmless(text: str, rule: str) -> bool:
    if rule == "html-unwrapped":
        return not _MISSED.fullmatch(text)
    return rule in _UNSEEN and bool(_UNSEEN[rule].fullmatch(text))


def shortened(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def unclosed(tokens: list[Token], lines: list[str]) -> Iterator[Remark]:
    """Report code that goes on to the end of the text, and comments that are text because nothing ends them."""
    for token in tokens:
        line = token.map[0] if token.map else 0
        if token.type == "fence" and _swallows_text(token, lines):
            what = f'the code that begins with "{shortened(lines[line])}" is never closed, so the text after it is code'
            yield Remark(line, 0, "unclosed", what, f"write {token.markup} on a line of its own where it ends", "error")
        if token.type == "inline" and (shown := _comment_in_text(token)):
            what = f'subscribers would see "{shown}": no comment begins there, because it has no end'
            fix = 'close the comment with "-->" in the same paragraph, or put it in `code`'
            yield Remark(line, 0, "unclosed", what, fix, "error")


def _comment_in_text(token: Token) -> str:
    if "<!--" not in token.content:
        return ""
    text = "\n".join(child.content for child in token.children or [] if child.type == "text")
    meant = token.content.count("\\<!--")
    return shortened(text[text.index("<!--") :]) if text.count("<!--") > meant else ""


def _swallows_text(fence: Token, lines: list[str]) -> bool:
    """Tell whether a fence without an end holds more: text behind an empty line, a heading, or a mark in full width."""
    begin, end = fence.map or (0, 0)
    mark = lines[end - 1].strip(" \t>")
    if end - begin > 1 and len(mark) >= len(fence.markup) and not mark.strip(fence.markup[0]):
        return False
    return bool(re.search(r"\S[^\S\n]*\n\s*\n|^ {0,3}#{2,6} |^｀{3}", fence.content.rstrip(), re.MULTILINE))
