"""Read plain style sheets: what their names, numbers and colours mean, they mean to any parser.

Loading premailer's parser takes as long as rendering five issues. Whatever is not plain is left to it.
"""

import re
from collections.abc import Iterator

Declarations = tuple[tuple[str, str], ...]  # name, value

_NUMBER = r"0|-?[1-9]\d{0,3}(?:\.\d?[1-9])?(?:px|em|%)?"
_WORD = rf"(?:[A-Za-z]+(?:-[a-z]+)*|#[0-9a-f]{{6}}|{_NUMBER})"
_DECLARATION = rf"[a-z]+(?:-[a-z]+)*: {_WORD}(?:,? {_WORD})*"
_DECLARATIONS = re.compile(rf"{_DECLARATION}(?:; {_DECLARATION})*")
_NAMED = r"[a-z][a-z0-9]*(?:\.[a-z]+)?(?:\[[a-z]+=[a-z]+\])?"
_PLAIN_RULE = re.compile(rf"\s*({_NAMED}(?: {_NAMED})*) \{{ ([^{{}}]+) \}}\s*")
_SHORT = re.compile(r"#(.)\1(.)\2(.)\3\b")


def plain_rules(css: str) -> list[tuple[str, Declarations]] | None:
    """Return selectors and declarations, the most specific last; None if not all is plain."""
    found = []
    position = 0
    while rule := _PLAIN_RULE.match(css, position):
        declarations = plain_declarations(rule[2])
        if declarations is None:
            return None
        found.append((rule[1], declarations))
        position = rule.end()
    return sorted(found, key=_weight) if position == len(css) else None


def _weight(rule: tuple[str, Declarations]) -> tuple[int, int]:
    """Return how many classes and how many elements a selector names; of equals the later rule wins."""
    return rule[0].count("."), len(rule[0].split())


def plain_declarations(text: str) -> Declarations | None:
    """Return what a rule or a style attribute declares; None if it is not plain."""
    if not _DECLARATIONS.fullmatch(text):
        return None
    pairs = tuple(_pairs(text))
    return pairs if len(dict(pairs)) == len(pairs) else None


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for declaration in text.split("; "):
        name, _, value = declaration.partition(": ")
        yield name, _SHORT.sub(r"#\1\2\3", value)
