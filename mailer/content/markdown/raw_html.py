"""Turn HTML in an issue's Markdown into tokens like any other, so that links, images and the text part see it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape, unescape
from html.parser import HTMLParser

from markdown_it.token import Token

from mailer.content.markdown.attributes import pixels
from mailer.content.markdown.named_tags import JOINS, SELF_ENDING, is_named


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What a mail may hold. nh3 enforces the same list once more on the finished section.
ALLOWED = _names(
    "a b blockquote br caption code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre "
    "q s samp small span strong sub sup table tbody td tfoot th thead tr u ul var"
)
KEEPS_ID = _names("div h1 h2 h3 h4 h5 h6 li p pre span sup table ul")
# Removed with everything inside.
REMOVED = _names("audio canvas embed iframe math noembed noframes noscript object script style svg template video xmp")
# The tag goes, its text stays. A name in none of the three sets is not a tag at all: `Vec<T>`, `<alice>`.
UNWRAPPED = _names(
    "abbr acronym address area article aside base basefont bdi bdo big body button cite col colgroup "
    "data datalist details dfn dialog dir fieldset figcaption figure font footer form frame frameset head "
    "header hgroup html input label legend link main map menu meta meter nav nobr optgroup option output "
    "param picture plaintext progress rp rt ruby search section select source summary textarea time "
    "title track tt wbr"
)
_OF_WORD = "o:p"  # which Word leaves in what is copied
BREAKS_LINE = _names("blockquote dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre table tr ul figcaption")
TAKES_ALIGN = _names("div h1 h2 h3 h4 h5 h6 p")
_ALIGNS = re.compile(r"\btext-align\s*:\s*(left|right|center)\b", re.IGNORECASE)
STRIKES = _names("del s")
# What emails do not know, and what stands for it: a line of its own, and brackets around how a word is read.
_OTHERWISE = {"strike": "<s>", "summary": "<p>", "figcaption": "<p>", "center": '<div align="center">'}
_READING = {False: "（", True: "）"}
SCRIPTS = {"sup": "above", "sub": "below"}

_TAG = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z][\w:-]*)(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?\?>|<![A-Za-z].*?>|<!\[CDATA\[.*?\]\]>", re.DOTALL)


_GOES_ON = re.compile(r"[ \t]*[^\s<]")
# No character has that number, and Python refuses to read one of more than 4,300 digits.
_LONG_NUMBER = re.compile(r"&#[0-9]{100,};?")


_RP = re.compile(r"<rp[\s>]", re.IGNORECASE)


def nesting(tag: str) -> int:
    """Return 1 for a tag that opens an element, -1 for one that ends it, 0 for the rest."""
    found = _TAG.fullmatch(tag.strip())
    if not found or found["name"].lower() in SELF_ENDING:
        return 0
    return -1 if found["close"] else 1


def tag_of(token: Token) -> tuple[str, bool]:
    """Return the name of a tag and whether it ends an element; ("", False) for any other token."""
    found = _TAG.fullmatch(token.content.strip()) if token.type == "html_inline" else None
    return (found["name"].lower(), bool(found["close"])) if found else ("", False)


class _Attributes(HTMLParser):
    def __init__(self, tag: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, str] = {}
        self.feed(_LONG_NUMBER.sub("\ufffd", tag))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found = {name: value or "" for name, value in attrs}


def tokens_of_block(html: str) -> list[Token]:
    """Return a block of HTML as inline tokens."""
    html = _LONG_NUMBER.sub("\ufffd", html)
    children: list[Token] = []
    position = 0
    for found in _pieces(html):
        children += _text(unescape(html[position : found.start()]))
        children.append(Token("html_inline", "", 0, content=found[0]))
        position = found.end()
    return children + _text(unescape(html[position:]))


def _pieces(html: str) -> Iterator[re.Match[str]]:
    """Find tags, comments and instructions, in order."""
    # Where each kind ends last; without that, many beginnings and no end would take quadratic time.
    ends = {start: html.rfind(end) for start, end in (("<!--", "-->"), ("<?", "?>"), ("<![", "]]>"), ("<!", ">"))}
    position = html.find("<")
    while position >= 0:
        start = next((start for start in ends if html.startswith(start, position)), "")
        # A comment without an end goes on to the end of its block.
        unseen = start and (ends[start] > position or start == "<!--")
        found = _UNSEEN.match(html, position) if unseen else _TAG.match(html, position)
        if found:
            yield found
        position = html.find("<", found.end() if found else position + 1)


def tags(blocks: Iterable[Token]) -> list[str]:
    """Return the tags and comments of the blocks as they were written."""
    return [child.content for block in blocks for child in block.children or () if child.type == "html_inline"]


def pairs(blocks: Iterable[Token]) -> dict[int, int]:
    """Map each tag that opens an element to the tag that ends it, which may stand in a later block, and back.

    Tags are named by the identity of their tokens. A tag without a partner may be one that the text only talks about.
    """
    partners: dict[int, int] = {}
    opened: dict[str, list[tuple[Token, int, int]]] = {}
    for block in blocks:
        children = block.children or ()
        for position, child in enumerate(children):
            if child.type != "html_inline" or not (found := _TAG.fullmatch(child.content.strip())):
                continue
            waiting = opened.setdefault(found["name"].lower(), [])
            if not found["close"]:
                waiting.append((child, id(block), position))
            elif waiting:
                opener, where, begin = waiting.pop()
                if where != id(block) or position != begin + 2 or not JOINS.fullmatch(children[begin + 1].content):
                    partners |= {id(opener): id(child), id(child): id(opener)}
    return partners


def resolve(children: list[Token], dropped: set[str], partners: Mapping[int, int], *, prose: bool) -> list[Token]:
    """Turn `<a>`, `<img>` and `<br>` into Markdown's own tokens, pseudo-tags into text; remove what is forbidden.

    What is removed leaves a token "left_out". `dropped` has the names whose tags were removed before: each is reported
    once. In `prose`, a tag without a partner may be one that the text talks about: it becomes text.
    """
    result: list[Token] = []
    has_brackets = any(child.type == "html_inline" and _RP.match(child.content) for child in children)
    places = {id(child): position for position, child in enumerate(children)}
    position = 0
    while position < len(children):
        child = children[position]
        position += 1
        if child.type != "html_inline":
            result.append(child)
            continue
        found = _TAG.fullmatch(child.content.strip())
        if not found:
            unseen = _UNSEEN.fullmatch(child.content.strip()) and not _is_quoted(children, position - 1, prose=prose)
            result += [_unseen(child.content)] if unseen else _text(child.content)
            continue
        name, closes = found["name"].lower(), bool(found["close"])
        end = places.get(partners.get(id(child), 0), -1)
        if name in REMOVED and not closes and end >= position:
            # Nothing outside the element goes with it: what its block does not close, ends with the tag itself.
            result.append(_left_out(_source(children[position - 1 : end + 1])))
            position = end + 1
        elif (
            prose
            and not (end >= 0 or (name not in REMOVED and id(child) in partners))
            and is_named(name, found["rest"], children, position - 1)
        ):
            result += _text(child.content)
        elif name in REMOVED:
            result.append(_left_out(child.content))
        elif name == "rt" and not has_brackets:
            result += _text(_READING[closes])
        else:
            if not closes:
                result += _remarks(name, found["rest"], child.content, dropped)
            result += _tag(name, closes, child.content)
    return result


def _is_quoted(children: list[Token], position: int, *, prose: bool) -> bool:
    """Tell whether a text shows `<!DOCTYPE html>` or `<?php … ?>`: it stands in a sentence, or begins one."""
    following = children[position + 1].content if position + 1 < len(children) else ""
    return not children[position].content.startswith("<!--") and (prose or bool(_GOES_ON.match(following)))


def _source(children: list[Token]) -> str:
    return "".join("\n" if child.type in ("softbreak", "hardbreak") else child.content for child in children)


def _unseen(text: str) -> Token:
    """Leave a comment or an instruction out; a comment that holds the beginning of another was never closed."""
    unclosed = text.startswith("<!--") and ("<!--" in text[4:] or not text.rstrip().endswith("-->"))
    return _left_out(text, "unclosed" if unclosed else "html-dropped")


def _left_out(text: str, rule: str = "html-dropped") -> Token:
    return Token("left_out", "", 0, meta={"text": text, "rule": rule, "newlines": text.count("\n")})


def _remarks(name: str, rest: str, source: str, dropped: set[str]) -> list[Token]:
    """Return a note for a tag whose name or behaviour does not reach the email; newlines are counted with its text."""
    is_open = name == "details" and re.search(r"\sopen\b", rest, re.IGNORECASE)  # as it is in the email
    if "task-list-item-checkbox" in source or is_open:
        return []
    handler = re.search(r"\s(on[a-z]+)\s*=", rest, re.IGNORECASE) if name in ALLOWED else None
    what = f"<{name}>" if name in UNWRAPPED else f"{handler[1].lower()} of <{name}>" if handler else ""
    if not what or what in dropped:
        return []
    dropped.add(what)
    rule = "html-unwrapped" if name in UNWRAPPED else "html-dropped"
    return [Token("left_out", "", 0, meta={"text": what, "rule": rule, "newlines": 0})]


def _tag(name: str, closes: bool, source: str) -> list[Token]:
    if name == "br":
        return [Token("hardbreak", "br", 0, meta={"html": True})]
    if name in _OTHERWISE:
        source = _OTHERWISE[name]
        name = source[1:].partition(" ")[0].rstrip(">")
        source = f"</{name}>" if closes else source
    if name == "a" and closes:
        return [Token("link_close", "a", -1)]
    if name == "a":
        attributes = _Attributes(source).found
        kept: dict[str, str | int | float] = {key: attributes[key] for key in ("href", "title") if key in attributes}
        return [*_place(attributes), Token("link_open", "a", 1, attrs=kept, markup="html")]
    if name == "img" and not closes:
        return [_image(_Attributes(source).found)]
    if name == "input" and "task-list-item-checkbox" in source:
        return _text("☑" if "checked" in source.replace("checkbox", "") else "☐")
    attributes = _Attributes(source).found if not closes and " id" in source.lower() else {}
    if name in ALLOWED:
        source = source if closes else _aligned(name, source)
        keeps_id = name in KEEPS_ID
        anchor = attributes.get("id", "") if keeps_id else ""
        meta = {"breaks": name in BREAKS_LINE, "strikes": name in STRIKES, "anchor": anchor}
        meta["script"] = "" if closes else SCRIPTS.get(name, "")
        return [*_place({} if keeps_id else attributes), Token("html_inline", "", 0, content=source, meta=meta)]
    return _place(attributes) if name in UNWRAPPED or name == _OF_WORD else _text(source)


def _aligned(name: str, source: str) -> str:
    """Say as an attribute, which every email client knows, how a style aligns text: no style reaches the email."""
    if name not in TAKES_ALIGN or "text-align" not in source.lower():
        return source
    attributes = _Attributes(source).found
    found = _ALIGNS.search(attributes.get("style", ""))
    return f'<{name} align="{found[1]}"{source[len(name) + 1 :]}' if found and "align" not in attributes else source


def _place(attributes: dict[str, str]) -> list[Token]:
    """Return `<a name="x">` as an anchor that links of the issue can point at."""
    name = attributes.get("id") or attributes.get("name") or ""
    if not name:
        return []
    return [Token("html_inline", "", 0, content=f'<span id="{escape(name)}"></span>', meta={"anchor": name})]


def _image(attributes: dict[str, str]) -> Token:
    kept: dict[str, str | int | float] = {"src": attributes.get("src", ""), "alt": ""}
    for side in ("width", "height"):
        styled = re.search(rf"(?<![\w-]){side}\s*:\s*([^;]+)", attributes.get("style", ""))
        given = pixels(styled[1] if styled else "") or pixels(attributes.get(side, ""))
        if given:
            kept[side] = given
    alt = attributes.get("alt", "")
    meta = {"zoom": zoom} if (zoom := _zoom(attributes.get("style", ""))) else {}
    return Token("image", "img", 0, attrs=kept, content=alt, children=_text(alt), markup="html", meta=meta)


def _zoom(style: str) -> float:
    """Return the part of its own size at which an image is shown, as Typora writes it: `zoom:50%`; 0 for none."""
    found = re.search(r"(?<![\w-])zoom\s*:\s*(\d{1,3}(?:\.\d{1,4})?)\s*(%?)\s*(?:;|\Z)", style)
    return float(found[1]) / (100 if found[2] else 1) if found else 0


def _text(content: str) -> list[Token]:
    return [Token("text", "", 0, content=content)] if content else []
