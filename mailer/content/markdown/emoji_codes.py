"""Replace `:tada:` by the emoji, as GitHub, GitLab and chat programs do."""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# One or more, but not in a word, a time or a path: "10:100:30", "std::tada::x".
# It begins with what can be searched for, before the look behind that: ten times as fast.
_NAME = "[a-z0-9+-][a-z0-9_+-]*:"
CODE = re.compile(rf":(?<![0-9A-Za-z_:/]:){_NAME}(?::{_NAME})*(?![0-9A-Za-z_:/])")
_SLICE = re.compile(r"[0-9A-Za-z_)\]]\[[^\[\]]{0,40}\Z")  # the beginning of "a[:100:]", "x[0, :-1:]"


def emoji_plugin(md: MarkdownIt) -> None:
    """Replace codes before escapes lose their backslash: `\\:tada:` stays as written."""
    md.core.ruler.after("linkify", "emoji", _in_paragraphs)


def with_emoji(text: str) -> str:
    """Replace the codes of all emoji that have a name on GitHub; leave others as they are."""
    return CODE.sub(_emoji, text)


def _emoji(code: re.Match[str]) -> str:
    if _SLICE.search(code.string, max(code.start() - 42, 0), code.start()):
        return code[0]
    import emoji  # half a megabyte of names, which most issues do without

    return emoji.emojize(code[0], language="alias")


def _in_paragraphs(state: StateCore) -> None:
    if CODE.search(state.src):
        for token in state.tokens:
            replace_codes(token.children or [])


def replace_codes(children: list[Token]) -> None:
    """Replace codes in text, but not in code, nor in an address that is its own text."""
    bare = False
    for child in children:
        if child.type in ("link_open", "link_close"):
            bare = child.type == "link_open" and child.markup in ("linkify", "autolink")
        elif child.type == "text" and not bare:
            if ":" in child.content:
                child.content = with_emoji(child.content)
        elif child.children:
            replace_codes(child.children)
