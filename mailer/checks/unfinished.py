"""Find sections, titles and preheaders that only hold a place: "…", WIP, TBA, lorem ipsum; and what Notion exports."""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from unicodedata import category

from markdown_it.token import Token

from mailer.checks.proofs import Proof, shortened
from mailer.checks.words import to_do
from mailer.content.findings import Finding
from mailer.content.front_checks import STATES
from mailer.content.markdown import plain
from mailer.content.patterns import lazy

HOLDS_A_PLACE = re.compile(
    r"(todo|to[ -]do|fixme|tb[acdsw]|wip|draft|xxx+|(tk)+|work in progress|under construction|lorem( ipsum\b.*)?|"
    r"dolor sit amet\b.*|to be (written|added|announced|determined|done)|not (yet )?written( yet)?|"
    r"((add|insert|write|put) )?(your |some |the )?(text|content|words|summary|description|story|something) "
    r"(goes )?here|insert \w+|(text|content|more|details?|to) (to )?(come|follow)|placeholder( text)?|"
    r"(asdf|qwerty)+|blah( blah)*|"
    r"(内容)?待(定|补|补充|填|填写|写|更新|完善|整理|编辑)|稍后补充|补充中|未完|施工中)",
    re.IGNORECASE,
)
MARKED = re.compile(r"\A\W*(wip|draft|todo|草稿)\s*[:：]|[\[(（【]\s*(wip|draft|todo|草稿)\s*[\])）】]", re.IGNORECASE)
# What Notion exports below the title; of the latter, a text may well have a single one.
_OF_A_PAGE = (
    r"created(?: (?:time|by|on))?|last (?:edited|modified|updated)(?: (?:time|by))?|erstellt(?: am| von)?"
    r"|创建(?:时间|日期|人)?|最后编辑(?:时间|人)?"
)
_SURE = lazy(rf"(?:{_OF_A_PAGE})[ \t]?[:：]", re.IGNORECASE)
_PROPERTY = lazy(
    rf"(?:{_OF_A_PAGE}|status|tags?|labels?|owner|assignee|priority|due(?: date)?|状态|标签)[ \t]?[:：]", re.IGNORECASE
)
_NAMED = lazy(r"[^\W\d_][^:：\n]{0,40}[:：][ \t]*\S.*")
EMPTY_ITEM = lazy(r"[ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t]*")
SHOWS_MORE_THAN_WORDS = ("fence", "code_block", "image", "link_open", "footnote_ref")


def look(proof: Proof) -> Iterator[Finding]:
    for heading, blocks in _sections(proof.document.tokens):
        shown = [block for block in blocks if block.children or block.type != "inline"]  # not an empty cell
        if shown and all(map(_says_nothing, shown)):
            yield from _of_section(proof, heading, shown[0])
            continue
        for item in shown:
            line = item.map[0] if item.map else 0
            # Of "- [^1]: note", the note is elsewhere.
            if item.type == "list_item_open" and EMPTY_ITEM.fullmatch(proof.document.source.split("\n")[line]):
                yield proof.finding(line, 0, "unfinished", "an item of the list is empty", "write it, or remove it")
    yield from _properties(proof)
    for name, text in (("title", proof.issue.title), ("preheader", proof.issue.preheader)):
        if text and (_holds_a_place(text) or MARKED.search(text) or to_do(text)):
            what = f'the {name} is "{shortened(text)}", which is unfinished text'
            found = proof.finding_at_title("unfinished", what, "write it before you send")
            if found.line < proof.issue.body_line or not to_do(text):  # else told with the heading
                yield found


def _properties(proof: Proof) -> Iterator[Finding]:
    """Report lines such as "Status: Draft", which Notion exports below the title, in the first paragraph."""
    inline = (token for token in proof.document.tokens if token.type == "inline" and token.level == 1)
    first = next((token for token in inline if plain(token.children or []) != proof.issue.title), None)
    lines = first.content.split("\n") if first else []
    begin = first.map[0] if first and first.map else 0
    held = [number for number, line in enumerate(lines) if _tells_unfinished(line)]
    for number in held:
        what = f'subscribers would see "{shortened(lines[number].strip())}"'
        yield proof.finding(begin + number, 0, "unfinished", what, "remove the line, or write it as front matter")
    if lines and not held and _are_properties(lines):
        more = f", and {len(lines) - 1} more of this kind" if lines[1:] else ""
        what = (
            f'subscribers would see "{shortened(lines[0].strip())}"{more}: properties of the page, from Notion perhaps'
        )
        yield proof.finding(begin, 0, "markup-maybe", what, "remove them, or write them as front matter")


def _tells_unfinished(line: str) -> bool:
    key, _, value = line.replace("：", ":").partition(":")
    words = STATES.get(key.strip().lower())
    return bool(words and words.fullmatch(value.strip().lower()))


def _are_properties(lines: Sequence[str]) -> bool:
    """Tell whether all lines have a name and a value, and the names are those of a page's properties."""
    if not all(map(_NAMED.fullmatch, lines)):
        return False
    return any(map(_SURE.match, lines)) or sum(bool(_PROPERTY.match(line)) for line in lines) > 1


def _of_section(proof: Proof, heading: str, block: Token) -> Iterator[Finding]:
    words = plain(block.children or []) if block.children else f"{block.info}{block.markup}"
    if to_do(words):
        return  # told with the paragraph
    where = f'section "{shortened(heading, 40)}"' if heading else "the text"
    what = f'{where} has only "{shortened(words, 40)}" in it'
    yield proof.finding(block.map[0] if block.map else 0, 0, "unfinished", what, "write it, or remove it")


def _sections(tokens: Sequence[Token]) -> Iterator[tuple[str, list[Token]]]:
    """Return each heading's words and all blocks between it and the next; "" before the first."""
    heading, blocks = "", list[Token]()
    after_heading = False
    for token, following in zip_longest(tokens, tokens[1:]):
        if token.type == "footnote_block_open":
            break
        if token.type == "heading_open":
            yield heading, blocks
            blocks, after_heading = [], True
        elif after_heading:
            heading, after_heading = plain(token.children or []), False
        elif token.type in ("inline", "html_block", "fence", "code_block") or _is_empty_item(token, following):
            blocks.append(token)
    yield heading, blocks


def _is_empty_item(token: Token, following: Token | None) -> bool:
    return token.type == "list_item_open" and following is not None and following.type == "list_item_close"


def _says_nothing(block: Token) -> bool:
    if block.type == "list_item_open":
        return True
    children = block.children or []
    if any(token.type in SHOWS_MORE_THAN_WORDS for token in (block, *children)):
        return False
    return _holds_a_place(plain(children))


def _holds_a_place(words: str) -> bool:
    """Tell whether the words are a known placeholder, or have neither letter, digit nor emoji."""
    bare = words.strip("".join({char for char in words if _is_punctuation(char) or char == "🚧"}))
    return bool(words) and (not bare or bool(HOLDS_A_PLACE.fullmatch(bare)))


def _is_punctuation(char: str) -> bool:
    return category(char)[0] in "PZ" or category(char) in ("Sm", "Sk")
