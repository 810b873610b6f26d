"""Tell whether a text talks about a tag, as in "The <video> tag plays a film", instead of using it."""

import re
from collections.abc import Sequence

from markdown_it.token import Token

from mailer.config.rules import names

# Tags that need no end tag, or that the next of their kind ends.
SELF_ENDING = names("br dd dt hr img li p td tfoot th tr tbody thead")
# Tags that never have an end tag; of these, the second kind does nothing that a reader of a text could see.
_EMPTY = names("area embed frame input keygen wbr")
_NEVER_SEEN = names("base col link meta param source track")
_AROUND_THEM = names("audio colgroup object picture table video")

# Between two tags that the text talks about: "<title> and </title>".
JOINS = re.compile(r"\s*[,，、/&和與与及或]\s*|\s+(?:and|or|to|und|oder|et|ou|y|e|…|\.\.\.)\s+", re.IGNORECASE)
# What tags are called.
KINDS = (
    r"(?:(?:html[\s-]*)?(?:tags?|elements?|elemente[ns]?|balises?|éléments?|etiquetas?|elementos?)\b"
    r"|тег|элемент|标签|標籤|标记|標記|元素|タグ|要素|태그)"
)
_ARTICLE = r"\b(?:the|an?|each|every|der|das|den|dem|des|eine?[nmrs]?|kein|le|la|un|une|el|il|uno)"
_VERB = r"(?:is|are|was|does|can|adds?|ends?|breaks?|makes?|goes|or|and|ist|kann|oder|und|est|et|ou|es)"
_AND = r"(?:\s(?:and|or|und|oder|et|ou|y)\s|\s?[和与與及或]\s?)"
# "\0" is the tag. A break stands anywhere, so it takes words that leave no doubt.
_TALKS = re.compile(
    rf"[\"'“‘„«「『(（]\0[\"'”’“»」』)）]"
    rf"|(?:^|[\s，。、；：])\0[\s-]+{KINDS}"
    rf"|{_ARTICLE}\s\0(?:\Z|[.,;:!?)]|-?\s?{KINDS}|[ \t]{_VERB}\b)"
    r"|\A\0[ \t]?(?:(?:is|are|ist|est|es)\b|是)"
    rf"|[用写寫加入个個的]\s?\0\s?{KINDS}"
    # Another tag before or behind it.
    rf"|\0(?:[,，、]\s?|[,，、]?{_AND})<[A-Za-z]|<[A-Za-z]\w*\s?/?>(?:[,，、]\s?|[,，、]?{_AND})\0",
    re.IGNORECASE,
)
_ANCHOR = re.compile(r"\s(?:id|name)\s*=", re.IGNORECASE)
_FAR = 30  # characters and tags beside a tag that are looked at


def is_named(name: str, rest: str, children: Sequence[Token], position: int) -> bool:
    """Tell whether the tag at the position of a paragraph, which has no partner, is one that the text talks about.

    `rest` is what it holds behind its name.
    """
    if name in _NEVER_SEEN:
        return not any(_opens(child, _AROUND_THEM) for child in children[max(position - _FAR, 0) : position])
    if name in ("br", "hr", "wbr"):
        return _talks(name, children, position)
    if "=" in rest:
        # Without an end, an element with attributes means nothing, unless a link can point at it.
        return name not in _EMPTY | SELF_ENDING and not _ANCHOR.search(rest)
    # `<p>`, `<li>` and the like need no end tag, and are in use without one.
    return name not in SELF_ENDING or _stands_between_spaces(children[max(position - 1, 0) : position + 2])


def _stands_between_spaces(around: Sequence[Token]) -> bool:
    return [bool(re.search(r"\s", token.content)) for token in around] == [True, False, True]


def _opens(child: Token, names: frozenset[str]) -> bool:
    found = re.match(r"<(\w+)", child.content) if child.type == "html_inline" else None
    return found is not None and found[1].lower() in names


def _talks(name: str, children: Sequence[Token], position: int) -> bool:
    # Another one of the same name is no other tag of a list: "salt <br> and <br> pepper".
    before = "".join(_shown(child, name) for child in children[max(position - 2, 0) : position])
    after = "".join(_shown(child, name) for child in children[position + 1 : position + 3])
    return bool(_TALKS.search(f"{before[-_FAR:]}\0{after[:_FAR]}"))


def _shown(child: Token, name: str) -> str:
    if child.type in ("softbreak", "hardbreak"):
        return "\n"
    if child.type == "html_inline" and not _opens(child, frozenset((name,))):
        return child.content
    return child.content if child.type == "text" else "\ufffc"
