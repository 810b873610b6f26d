"""HTML that an editor wrote into Markdown, as tokens like any other: so links, images and the text part see it."""

import re
from html import unescape
from html.parser import HTMLParser

from markdown_it.token import Token


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What a mail may hold. nh3 enforces the same list once more on the finished section.
ALLOWED = _names(
    "a b blockquote br caption code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre "
    "q s samp small span strong sub sup table tbody td tfoot th thead tr u ul var"
)
# Gone with all that stands inside.
REMOVED = _names("audio canvas embed iframe math noembed noframes noscript object script style svg template video xmp")
# The tag goes, its text stays. A name in none of the three sets is no tag at all: `Vec<T>`, `<alice>`.
UNWRAPPED = _names(
    "abbr acronym address area article aside base basefont bdi bdo big body button center cite col colgroup "
    "data datalist details dfn dialog dir fieldset figcaption figure font footer form frame frameset head "
    "header hgroup html input label legend link main map menu meta meter nav nobr optgroup option output "
    "param picture plaintext progress rp rt ruby search section select source strike summary textarea time "
    "title track tt wbr"
)
BREAKS_LINE = _names("blockquote dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre table tr ul figcaption")

_TAG = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z][\w:-]*)(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?\?>|<![A-Za-z].*?>|<!\[CDATA\[.*?\]\]>", re.DOTALL)


# Tags that need no end, or that the next of their kind ends.
_SELF_ENDING = _names("br dd dt hr img li p td tfoot th tr tbody thead")


def nesting(tag: str) -> int:
    """1 for a tag that opens an element, -1 for one that ends it, 0 for the rest."""
    found = _TAG.fullmatch(tag.strip())
    if not found or found["name"].lower() in _SELF_ENDING:
        return 0
    return -1 if found["close"] else 1


class _Attributes(HTMLParser):
    def __init__(self, tag: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, str] = {}
        self.feed(tag)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found = {name: value or "" for name, value in attrs}


def tokens_of_block(html: str) -> list[Token]:
    """A block of HTML as inline tokens."""
    children: list[Token] = []
    position = 0
    html = _UNSEEN.sub("", html)
    for found in _TAG.finditer(html):
        children += _text(unescape(html[position : found.start()]))
        children.append(Token("html_inline", "", 0, content=found[0]))
        position = found.end()
    return resolve(children + _text(unescape(html[position:])))


def resolve(children: list[Token]) -> list[Token]:
    """`<a>`, `<img>` and `<br>` as Markdown's own tokens, pseudo-tags as text, the forbidden gone."""
    result: list[Token] = []
    removing = ""
    for child in children:
        if child.type != "html_inline":
            if not removing:
                result.append(child)
            continue
        found = _TAG.fullmatch(child.content.strip())
        if not found:
            if not removing and not _UNSEEN.fullmatch(child.content.strip()):
                result += _text(child.content)
            continue
        name, closes = found["name"].lower(), bool(found["close"])
        if removing:
            removing = "" if closes and name == removing else removing
        elif name in REMOVED:
            removing = "" if closes or found["rest"].rstrip().endswith("/") or name == "embed" else name
            result.append(Token("left_out", "", 0, meta={"text": found[0], "newlines": 0}))
        else:
            result += _tag(name, closes, child.content)
    return result


def _tag(name: str, closes: bool, source: str) -> list[Token]:
    if name == "br":
        return [Token("hardbreak", "br", 0, meta={"html": True})]
    if name == "a" and closes:
        return [Token("link_close", "a", -1)]
    if name == "a":
        attributes = _Attributes(source).found
        kept: dict[str, str | int | float] = {key: attributes[key] for key in ("href", "title") if key in attributes}
        return [Token("link_open", "a", 1, attrs=kept, markup="html")]
    if name == "img" and not closes:
        return [_image(_Attributes(source).found)]
    if name == "input" and "task-list-item-checkbox" in source:
        return _text("☑" if "checked" in source.replace("checkbox", "") else "☐")
    if name in ALLOWED:
        return [Token("html_inline", "", 0, content=source, meta={"breaks": name in BREAKS_LINE})]
    if name in UNWRAPPED:
        return []
    return _text(source)


def _image(attributes: dict[str, str]) -> Token:
    kept: dict[str, str | int | float] = {"src": attributes.get("src", ""), "alt": ""}
    for side in ("width", "height"):
        if found := re.fullmatch(r"\s*(\d{1,4})(?:px)?\s*", attributes.get(side, "")):
            kept[side] = int(found[1])
    alt = attributes.get("alt", "")
    return Token("image", "img", 0, attrs=kept, content=alt, children=_text(alt), markup="html")


def _text(content: str) -> list[Token]:
    return [Token("text", "", 0, content=content)] if content else []
