"""Turn program text into HTML with classes; content.css has their colours, head.mjml those of dark mode."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# An email has 100 kB, and each coloured word takes fifty bytes; a whole module is shown without colours.
LONGEST = 4000  # characters

# The first match wins. Few enough to keep the styles small, enough to see the shape of a program. The kinds are tuples
# of words, as those of pygments are: most issues hold no program and need not load it.
_CLASSES = (
    (("Comment",), "hc"),
    (("Literal", "String"), "hs"),
    (("Literal", "Number"), "hn"),
    (("Keyword", "Constant"), "hn"),
    (("Operator", "Word"), "hk"),
    (("Keyword",), "hk"),
    (("Name", "Function"), "hf"),
    (("Name", "Class"), "hf"),
    (("Name", "Tag"), "hk"),
    (("Name", "Decorator"), "hf"),
    (("Name", "Attribute"), "hf"),
)
CLASSES = frozenset(name for _, name in _CLASSES)


def to_html(code: str, language: str) -> str:
    """Return the code escaped, and coloured if `language` is known and the code not too long."""
    lexer = _lexer(language.lower().strip("{}.")) if len(code) <= LONGEST else None
    if lexer is None:
        return _escaped(code)
    return "".join(_spans(lexer, code))


def _spans(lexer: "Lexer", code: str) -> Iterator[str]:
    pieces = ((_class_of(kind), text) for _, kind, text in lexer.get_tokens_unprocessed(code))
    for name, run in groupby(pieces, key=lambda piece: piece[0]):
        words = _escaped("".join(text for _, text in run))
        yield f'<span class="{name}">{words}</span>' if name and words.strip() else words


@lru_cache(maxsize=512)
def _class_of(kind: tuple[str, ...]) -> str:
    return next((name for parent, name in _CLASSES if kind[: len(parent)] == parent), "")


@lru_cache(maxsize=64)
def _lexer(language: str) -> "Lexer | None":
    if language in ("", "text", "plain", "console", "output"):
        return None
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
