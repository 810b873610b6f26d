"""Keep the lines of a letter's closing apart: "Best wishes," and, below it, who wrote the letter.

Markdown shows them as one, and a mark at the end of such a line is what everybody forgets. Only lines that no program
wrapped are taken for a closing: all are short, and the last does not end as a sentence does.
"""

from collections.abc import Sequence

from markdown_it.token import Token

from mailer.content.markdown.cjk import is_wide
from mailer.content.markdown.plain_blocks import display_width

LONGEST = 40  # columns
LONGEST_NAME = 30
MOST_LINES = 4
FORMULAS = ("此致", "顺颂", "順頌", "即颂", "敬颂")  # 敬礼 or 时祺 follows
WORDS_ONLY = {"text", "softbreak", "strong_open", "strong_close", "em_open", "em_close", "link_open", "link_close"}
ENDS = tuple(",.!…，。！")
ENDS_A_SENTENCE = tuple(".!?…。！？:：;；,，、")


def with_lines_of_closing(paragraph: Token) -> list[Token]:
    """Return the children of a paragraph; if it is a closing, with a line break for each soft one."""
    children = paragraph.children or []
    if not 0 < paragraph.content.count("\n") < MOST_LINES or children[0].type == "link_open":
        return children
    if not {child.type for child in children} <= WORDS_ONLY or not _are_of_closing(_lines(children)):
        return children
    return [Token("hardbreak", "br", 0) if child.type == "softbreak" else child for child in children]


def _lines(children: Sequence[Token]) -> list[str]:
    text = "".join("\n" if child.type == "softbreak" else child.content for child in children)
    return [line.strip() for line in text.split("\n")]


def _are_of_closing(lines: Sequence[str]) -> bool:
    if not all(lines):
        return False
    first, name, last = lines[0], lines[1], lines[-1]
    if max(map(display_width, lines)) > LONGEST or display_width(name) > LONGEST_NAME or last.endswith(ENDS_A_SENTENCE):
        return False
    if first.endswith(ENDS):
        return name[0].isupper() or name[0] in "–—" or is_wide(name[0])
    if is_wide(first[-1]):
        return first in FORMULAS
    return len(lines) == 2 and first[0].isupper() and name[0].isupper() and first[-1].isalpha()
