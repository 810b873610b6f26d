"""Find sections, titles and preheaders that only hold a place: "…", WIP, TBA, lorem ipsum."""

import re
from collections.abc import Iterator, Sequence
from unicodedata import category

from markdown_it.token import Token

from mailer.checks.proofs import Proof, shortened
from mailer.checks.words import TO_DO
from mailer.content.findings import Finding
from mailer.content.markdown import plain

HOLDS_A_PLACE = re.compile(
    r"(todo|to[ -]do|fixme|tb[acd]|wip|xxx+|work in progress|lorem ipsum\b.*|"
    r"to be (written|added|announced|determined|done)|(add |insert |your )?text here|placeholder( text)?|"
    r"待定|待补充?|待填写?|待写|未完|施工中)",
    re.IGNORECASE,
)
MARKED = re.compile(r"\W*(wip|draft|todo|草稿)\s*[:：]|[\[(（【]\s*(wip|draft|todo|草稿)\s*[\])）】]", re.IGNORECASE)
SHOWS_MORE_THAN_WORDS = ("fence", "code_block", "image", "link_open", "footnote_ref")


def look(proof: Proof) -> Iterator[Finding]:
    for heading, blocks in _sections(proof.document.tokens):
        shown = [block for block in blocks if block.children or block.type != "inline"]  # not an empty cell
        if shown and all(map(_says_nothing, shown)):
            yield from _of_section(proof, heading, shown[0])
    for name, text in (("title", proof.issue.title), ("preheader", proof.issue.preheader)):
        if text and (_holds_a_place(text) or MARKED.match(text)):
            what = f'the {name} is "{shortened(text)}", which is unfinished text'
            yield proof.finding_at_title("unfinished", what, "write it before you send")


def _of_section(proof: Proof, heading: str, block: Token) -> Iterator[Finding]:
    words = plain(block.children or [])
    if TO_DO.search(words):
        return  # told with the paragraph
    where = f'section "{shortened(heading, 40)}"' if heading else "the text"
    what = f'{where} has only "{shortened(words, 40)}" in it'
    yield proof.finding(block.map[0] if block.map else 0, 0, "unfinished", what, "write it, or remove it")


def _sections(tokens: Sequence[Token]) -> Iterator[tuple[str, list[Token]]]:
    """Return each heading's words and all blocks between it and the next; "" before the first."""
    heading, blocks = "", list[Token]()
    after_heading = False
    for token in tokens:
        if token.type == "footnote_block_open":
            break
        if token.type == "heading_open":
            yield heading, blocks
            blocks, after_heading = [], True
        elif after_heading:
            heading, after_heading = plain(token.children or []), False
        elif token.type in ("inline", "html_block", "fence", "code_block"):
            blocks.append(token)
    yield heading, blocks


def _says_nothing(block: Token) -> bool:
    children = block.children or []
    if any(token.type in SHOWS_MORE_THAN_WORDS for token in (block, *children)):
        return False
    return _holds_a_place(plain(children))


def _holds_a_place(words: str) -> bool:
    """Tell whether the words are a known placeholder, or have neither letter, digit nor emoji."""
    bare = words.strip("".join({char for char in words if _is_punctuation(char)}))
    return bool(words) and (not bare or bool(HOLDS_A_PLACE.fullmatch(bare)))


def _is_punctuation(char: str) -> bool:
    return category(char)[0] in "PZ" or category(char) in ("Sm", "Sk")
