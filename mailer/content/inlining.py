"""Write the rules of a style sheet into the style attributes of HTML: many mail clients know no style sheets.

A rule that no attribute can hold, such as `@media` or `a:hover`, is left out; it belongs into the template's head.
premailer decides which rules hold and which wins; it is loaded for a sheet that is not plain.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from operator import itemgetter
from types import ModuleType
from typing import Any

from lxml import etree

from mailer.content.plain_css import Declarations, plain_declarations, plain_rules
from mailer.content.selectors import Elements, Selects, selecting


def inline_styles(fragments: Mapping[str, str], css: str) -> dict[str, str]:
    """Write the rules of `css` into the style attributes of each HTML fragment.

    Classes stay, for the rules of dark mode and phones, which no style attribute can hold.
    """
    boxes = "".join(f'<div id="{name}">{content}</div>' for name, content in fragments.items())
    # huge_tree: libxml2 silently cuts what is nested deeper than 256.
    parser = etree.HTMLParser(huge_tree=True, encoding="utf-8")
    tree = etree.fromstring(f"<html><head></head><body>{boxes}</body></html>".encode(), parser)
    _apply(_rules(css), tree)
    return {box.get("id"): _inside(box) for box in tree.find("body")}


Rules = tuple[tuple[Selects, Declarations], ...]


@lru_cache(maxsize=16)
def _rules(css: str) -> Rules:
    """Return selectors and their declarations, the most specific last. Parsing a sheet costs more than applying it."""
    plain = plain_rules(css)
    rules = _by_premailer(css) if plain is None else plain
    return tuple((selects, declarations) for selector, declarations in rules if (selects := selecting(selector)))


def _apply(rules: Rules, tree: Any) -> None:
    """Apply the rules to the tree.

    Premailer's own loop merges and re-reads the style of each element: two thirds of the time for the same bytes.
    """
    styles: dict[Any, tuple[int, ...]] = {}  # the numbers of an element's rules, which take no time to compare
    elements = Elements(tree)
    for number, (selects, _) in enumerate(rules):
        for element in selects(elements):
            styles[element] = (*styles.get(element, ()), number)
    merged: dict[tuple[tuple[int, ...], str], str] = {}
    for element, numbers in styles.items():
        alike = numbers, element.get("style", "")
        if alike not in merged:
            merged[alike] = _merged(tuple(rules[number][1] for number in numbers), alike[1])
        element.set("style", merged[alike])


def _merged(styles: tuple[Declarations, ...], own: str) -> str:
    """Merge declarations: a later one wins, and the element's own wins over all."""
    last = plain_declarations(own)
    styles = (*styles, _own_by_premailer(own) if last is None else last)
    merged = {name: value for declarations in styles for name, value in declarations}
    return ";".join(f"{name}:{value}" for name, value in merged.items() if value.lower() != "unset")


def _inside(box: Any) -> str:
    written = etree.tostring(box, encoding="unicode", method="html", with_tail=False)
    return str(written[written.index(">") + 1 : written.rindex("</div>")])


# ---------------------------------------------------------------- premailer


def _by_premailer(css: str) -> Iterator[tuple[str, Declarations]]:
    premailer = _load_premailer()
    inliner = premailer.Premailer(
        "<p>", strip_important=False, disable_validation=True, cssutils_logging_level=logging.CRITICAL
    )
    rules, _ = inliner._parse_style_rules(css, 0)
    for _, selector, style in sorted(rules, key=itemgetter(0)):
        yield selector, tuple(premailer.merge_style.csstext_to_pairs(style, validate=False))


def _own_by_premailer(own: str) -> Declarations:
    return tuple(_load_premailer().merge_style.csstext_to_pairs(own)) if own else ()


class _WhenUsed(ModuleType):
    """A module that is loaded when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def _load_premailer() -> Any:
    """Import premailer without the HTTP client that it would fetch style sheets with, which mailer never lets it do."""
    not_yet = sys.modules.setdefault("requests", _WhenUsed("requests"))
    import premailer
    import premailer.merge_style

    if isinstance(not_yet, _WhenUsed):
        sys.modules.pop("requests", None)
    return premailer
