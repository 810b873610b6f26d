"""What lists say of each issue: its first sentences, without those that stand in others too.

Many newsletters begin each issue with the same greeting, and a list of fifty of them says nothing.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailer.archive.terms import folded

WIDTH = 200  # columns; a Chinese character is as wide as two letters
SHORTEST = 24  # columns that say something
SENTENCE_END = re.compile(r"(?<=[。！？])|(?<=[.!?…])\s+|\n")
NUMBER = re.compile(r"\d+")
AS_A_PREHEADER_BEGINS = 24  # characters


@dataclass(frozen=True)
class Opening:
    """What an excerpt is made of."""

    preheader: str
    text: str  # paragraphs, one in each line
    images: Sequence[str]


@dataclass(frozen=True)
class Excerpt:
    text: str
    image: str  # "" if there is none


def excerpts(openings: Sequence[Opening]) -> list[Excerpt]:
    """Return for each issue of a newsletter what it says and shows that no other one does.

    An issue's own preheader stands, unless it begins as another's does.
    """
    sentences = [_sentences(one.text) for one in openings]
    said = _in_several({_key(sentence) for sentence in one} for one in sentences)
    begun = _in_several({_beginning(one.preheader)} for one in openings)
    shown = _in_several(set(one.images) for one in openings)
    found = []
    for opening, spoken in zip(openings, sentences, strict=True):
        own = "" if _beginning(opening.preheader) in begun else opening.preheader
        fresh = "" if own else shortened(_joined(one for one in spoken if _key(one) not in said))
        image = next((one for one in opening.images if one not in shown), "")
        found.append(Excerpt(own or (fresh if width(fresh) >= SHORTEST else opening.preheader), image))
    return found


def _in_several(issues: Iterable[set[str]]) -> set[str]:
    counted = Counter(one for issue in issues for one in issue)
    return {one for one, count in counted.items() if count > 1}


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in SENTENCE_END.split(text) if sentence.strip()]


def _key(sentence: str) -> str:
    """Return what is the same in "This is issue 12" and "This is issue 13"."""
    return NUMBER.sub("0", folded(sentence))


def _beginning(preheader: str) -> str:
    return _key(preheader)[:AS_A_PREHEADER_BEGINS]


def _joined(sentences: Iterable[str]) -> str:
    """Join sentences, with a space where the language has one."""
    text = ""
    for sentence in sentences:
        text += f"{'' if not text or _is_wide(text[-1]) else ' '}{sentence}"
        if width(text) > WIDTH:
            break
    return text


def shortened(text: str) -> str:
    """Cut the text to what a list has room for, between words if the language separates them."""
    at, left = 0, WIDTH
    while at < len(text) and left > 0:
        left -= 2 if _is_wide(text[at]) else 1
        at += 1
    if at == len(text):
        return text
    cut = text[:at]
    space = cut.rfind(" ")
    return (cut[:space] if space > at * 2 // 3 else cut).rstrip(" ,;:，、；：。.") + "…"


def width(text: str) -> int:
    """Return the columns that the text takes."""
    return sum(2 if _is_wide(char) else 1 for char in text)


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in ("W", "F")
