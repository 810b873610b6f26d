"""Keep the lines of a letter's closing apart: "Best wishes," and, below it, who wrote the letter.

Markdown joins such lines, unless a backslash or two spaces end them, which most people forget. Lines count as a closing
if they are too short to have been wrapped, and the last does not end as a sentence does.
"""

from collections.abc import Sequence

from markdown_it.token import Token

from mailer.content.markdown.cjk import is_wide
from mailer.content.markdown.plain_blocks import display_width

LONGEST = 40  # columns
LONGEST_NAME = 30
MOST_LINES = 4
BEFORE_A_WISH = ("此致", "顺颂", "順頌", "即颂", "敬颂")  # such as 敬礼！ or 时祺
BEFORE_A_NAME = ("祝好", "谢谢", "謝謝", "敬具", "敬白", "草々", "かしこ")
WORDS_ONLY = {"text", "softbreak", "strong_open", "strong_close", "em_open", "em_close", "link_open", "link_close"}
ENDS = tuple(",.!…，。！،۔।")
# Punctuation, and how sentences end in Chinese, Japanese and Korean where they have none.
ENDS_A_SENTENCE = (*".!?…。！？:：;；,，、،؛؟۔।", "了", "です", "ます", "ません", "でした", "ました", "ない", "니다")
QUOTES_AND_BRACKETS = "”’\"'»›」』)）]】"


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
    if max(map(display_width, lines)) > LONGEST or display_width(name) > LONGEST_NAME:
        return False
    if first in BEFORE_A_WISH:
        return True
    if last.rstrip(QUOTES_AND_BRACKETS).endswith(ENDS_A_SENTENCE):
        return False
    if first.endswith(ENDS):
        return _may_begin_a_name(name[0]) or name[0] in "–—"
    if is_wide(first[-1]):
        return first in BEFORE_A_NAME
    return len(lines) == 2 and first[0].isupper() and name[0].isupper() and first[-1].isalpha()


def _may_begin_a_name(char: str) -> bool:
    """Tell whether a name may begin with this character; Chinese, Arabic and Hebrew have no capital letters."""
    return (char.isalpha() and not char.islower()) or is_wide(char)
