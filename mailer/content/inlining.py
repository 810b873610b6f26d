"""Write the rules of a style sheet into the style attributes of HTML: many mail clients know no style sheets.

A rule that no attribute can hold, such as `@media` or `a:hover`, is left out; it belongs into the template's head.
premailer decides which rules hold and which wins.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from operator import itemgetter
from types import ModuleType
from typing import Any

from lxml import etree, html

from mailer.content.selectors import Elements, Selects, selecting


class _WhenUsed(ModuleType):
    """A module that is loaded when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


# premailer imports it to fetch style sheets, which mailer never lets it do; it is a tenth of a command's start.
_not_yet = sys.modules.setdefault("requests", _WhenUsed("requests"))

from premailer import Premailer  # noqa: E402
from premailer.merge_style import csstext_to_pairs, merge_styles  # noqa: E402

if isinstance(_not_yet, _WhenUsed):
    del sys.modules["requests"]


def inline_styles(fragments: Mapping[str, str], css: str) -> dict[str, str]:
    """Write the rules of `css` into the style attributes of each HTML fragment.

    Classes stay, for the rules of dark mode and phones, which no style attribute can hold.
    """
    boxes = "".join(f'<div id="{name}">{content}</div>' for name, content in fragments.items())
    # huge_tree: libxml2 silently cuts what is nested deeper than 256.
    parser = html.HTMLParser(huge_tree=True, encoding="utf-8")
    tree = html.document_fromstring(f"<html><head></head><body>{boxes}</body></html>".encode(), parser=parser)
    _apply(_rules(css), tree)
    return {box.get("id"): _inside(box) for box in tree.body}


@lru_cache(maxsize=16)
def _rules(css: str) -> tuple[tuple[Selects, str], ...]:
    """Return selectors and their declarations, the most specific last. Parsing a sheet costs more than applying it."""
    return tuple(_parsed(css))


def _parsed(css: str) -> Iterator[tuple[Selects, str]]:
    inliner = Premailer("<p>", strip_important=False, disable_validation=True, cssutils_logging_level=logging.CRITICAL)
    rules, _ = inliner._parse_style_rules(css, 0)
    for _, selector, style in sorted(rules, key=itemgetter(0)):
        if selects := selecting(selector):
            yield selects, style


def _apply(rules: tuple[tuple[Selects, str], ...], tree: Any) -> None:
    """Apply the rules to the tree.

    Premailer's own loop merges and re-reads the style of each element: two thirds of the time for the same bytes.
    """
    styles: dict[Any, tuple[str, ...]] = {}
    elements = Elements(tree)
    for selects, style in rules:
        for element in selects(elements):
            styles[element] = (*styles.get(element, ()), style)
    for element, found in styles.items():
        element.set("style", _merged(found, element.get("style", "")))


@lru_cache(maxsize=1024)
def _merged(styles: tuple[str, ...], own: str) -> str:
    """Merge declarations: a later one wins, and the element's own wins over all."""
    pairs = [csstext_to_pairs(style, validate=False) for style in styles]
    return str(merge_styles(own, pairs, [""] * len(pairs), remove_unset_properties=True)).replace("; ", ";")


def _inside(box: Any) -> str:
    written = etree.tostring(box, encoding="unicode", method="html", with_tail=False)
    return str(written[written.index(">") + 1 : written.rindex("</div>")])
