"""Write the rules of a style sheet into the style attributes of HTML: many mail clients know no style sheets.

A rule that no attribute can hold, such as `@media` or `a:hover`, is left out; it belongs into the template's head.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import tinycss2
from lxml import etree, html

from mailer.content.selectors import Elements, Selects, selecting

Declarations = tuple[tuple[str, str], ...]  # name, value

_ELEMENT = re.compile(r"(?:^|\s)\w")


class _Rule(NamedTuple):
    weight: tuple[bool, int, int, int]  # !important, then how many ids, classes and elements its selector names
    selects: Selects
    declarations: Declarations


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
def _rules(css: str) -> tuple[_Rule, ...]:
    """Return the rules, the strongest last. Parsing a sheet costs more than applying it."""
    parsed = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    found = (rule for one in parsed if one.type == "qualified-rule" for rule in _of(one))
    return tuple(sorted(found, key=lambda rule: rule.weight))


def _of(parsed: Any) -> Iterator[_Rule]:
    """Return a rule for each selector, and one more for its declarations with !important."""
    declarations = list(_declarations(parsed.content))
    for selector in map(str.strip, tinycss2.serialize(parsed.prelude).split(",")):
        selects = selecting(selector)
        if selects is None:
            continue
        for important in (False, True):
            chosen = tuple((name, value) for name, value, strong in declarations if strong == important)
            if chosen:
                yield _Rule(_weight(selector, important), selects, chosen)


def _weight(selector: str, important: bool) -> tuple[bool, int, int, int]:
    return important, selector.count("#"), selector.count("."), len(_ELEMENT.findall(selector))


def _declarations(source: Any) -> Iterator[tuple[str, str, bool]]:
    """Return name, value and whether it is !important, of each declaration that can be read."""
    for one in tinycss2.parse_blocks_contents(source, skip_comments=True, skip_whitespace=True):
        if one.type == "declaration":
            yield one.lower_name, _value(one.value) + " !important" * one.important, one.important


def _value(tokens: Iterable[Any]) -> str:
    return "".join(
        " " if one.type == "whitespace" else one.serialize() for one in tokens if one.type != "comment"
    ).strip()


def _apply(rules: Iterable[_Rule], tree: Any) -> None:
    styles: dict[Any, tuple[Declarations, ...]] = {}
    elements = Elements(tree)
    for rule in rules:
        for element in rule.selects(elements):
            styles[element] = (*styles.get(element, ()), rule.declarations)
    for element, found in styles.items():
        element.set("style", _merged(found, element.get("style", "")))


@lru_cache(maxsize=1024)
def _merged(styles: tuple[Declarations, ...], own: str) -> str:
    """Merge declarations: a later one wins, and the element's own wins over all."""
    merged = {name: value for declarations in styles for name, value in declarations}
    merged |= {name: value for name, value, _ in _declarations(own)}
    return ";".join(f"{name}:{value}" for name, value in merged.items() if value.lower() != "unset")


def _inside(box: Any) -> str:
    written = etree.tostring(box, encoding="unicode", method="html", with_tail=False)
    return str(written[written.index(">") + 1 : written.rindex("</div>")])
