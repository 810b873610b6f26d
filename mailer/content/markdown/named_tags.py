"""Tell whether a text talks about a tag, as in "The <video> tag plays a film", instead of using it."""

import re
from collections.abc import Sequence

from markdown_it.token import Token

from mailer.config.rules import names
from mailer.content.patterns import lazy

# Tags that need no end tag, or that the next of their kind ends.
SELF_ENDING = names("br dd dt hr img li p td tfoot th tr tbody thead")
# Tags that never have an end tag; of these, the second kind does nothing that a reader of a text could see.
_EMPTY = names("area embed frame input keygen wbr")
_NEVER_SEEN = names("base col link meta param source track")
_AROUND_THEM = names("audio colgroup object picture table video")

# Between two tags that the text talks about: "<title> and </title>".
JOINS = lazy(r"\s*[,，、/&和與与及或]\s*|\s+(?:and|or|to|und|oder|et|ou|y|e|…|\.\.\.)\s+", re.IGNORECASE)
# What tags are called.
KINDS = (
    r"(?:(?:html[\s-]*)?(?:tags?|elements?|elemente[ns]?|balises?|éléments?|etiquetas?|elementos?)\b"
    r"|тег|элемент|标签|標籤|标记|標記|元素|タグ|要素|태그)"
)
_ARTICLE = r"\b(?:[Tt]he|an?|An|[Ee]very|[Dd]as|[Dd]er|de[nms]|[Ee]ine?[nmrs]?|kein|[Ll][ea]|[Uu]ne?|el|uno)"
_VERB = r"(?:is|are|was|does|can|adds?|ends?|breaks?|makes?|goes|ist|kann|est)"
_WRITES = r"(?:使用|运用|運用|(?<!\w)用|写|寫|加入|插入|个|個|的)"
# Another tag that is empty too, and says nothing by itself.
_OTHER = r"<(?:br|hr|wbr|img|input)\s?/?>"
_LIST = r"(?:[,，、][ \t]?|[,，]?[ \t](?:and|or|und|oder|et|ou|y)[ \t]|[ \t]?[和与與及或][ \t]?)"
# "\0" is the tag. A break stands anywhere, so it takes words that leave no doubt: a break that is shown as text is
# worse than a tag that breaks the line, which is seen in the preview.
_TALKS = lazy(
    rf"[\"'“‘„«「『(（]\0[\"'”’“»」』)）]"
    rf"|{_ARTICLE}[ \t]\0(?:[.,;:!?)]|-?[ \t]?(?i:{KINDS})|[ \t]{_VERB}\b)"
    # "Use <br> tags to …", but no line of its own that begins with a label: "Good.<br> Tags: ai".
    rf"|\0-(?i:{KINDS})|(?:\A|\w[ \t])\0[ \t]{KINDS}(?<=[A-Za-z])(?!\s*[:：])|\A\0[ \t]is\b"
    rf"|{_WRITES}[ \t]?\0[ \t]?{KINDS}(?!\s*[:：])"
    rf"|(?:\A|[\s，、])\0{_LIST}{_OTHER}|{_OTHER}{_LIST}\0(?:[\s.,;:!?，、。；：）)]|\Z)"
)
_ANCHOR = re.compile(r"\s(?:id|name)\s*=", re.IGNORECASE)
_DATA = re.compile(r"\sitem(?:prop|ref|scope|type)\b", re.IGNORECASE)  # for search engines
_FAR = 30  # characters and tags beside a tag that are looked at


def is_named(name: str, rest: str, children: Sequence[Token], position: int) -> bool:
    """Tell whether the tag at the position of a paragraph, which has no partner, is one that the text talks about.

    `rest` is what it holds behind its name.
    """
    if name in _NEVER_SEEN:
        if any(_opens(child, _AROUND_THEM) for child in children[max(position - _FAR, 0) : position]):
            return False
        return "=" not in rest or _talks(name, children, position) or _stands_in_a_sentence(rest, children, position)
    if name in ("br", "hr", "wbr"):
        return _talks(name, children, position)
    if "=" in rest:
        # Without an end, an element with attributes means nothing, unless a link can point at it.
        return name not in _EMPTY | SELF_ENDING and not _ANCHOR.search(rest)
    # `<p>`, `<li>` and the like need no end tag, and are in use without one.
    return name not in SELF_ENDING or _stands_between_spaces(children[max(position - 1, 0) : position + 2])


def _stands_between_spaces(around: Sequence[Token]) -> bool:
    return [bool(re.search(r"\s", token.content)) for token in around] == [True, False, True]


def _stands_in_a_sentence(rest: str, children: Sequence[Token], position: int) -> bool:
    """Tell whether it stands behind a word and touches none: browsers put `<meta charset>` before what is copied."""
    before = children[position - 1].content if position else ""
    after = children[position + 1] if position + 1 < len(children) else None
    ends = after is None or after.type == "softbreak" or bool(re.match(r"[\s.,;:!?)，、。；：）]", after.content))
    return bool(re.search(r"[ \t]\Z", before)) and ends and not _DATA.search(rest)


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
