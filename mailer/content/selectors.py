"""Find the elements that a CSS selector names.

Nearly all that emails need are names and classes, one inside the other, such as `p.picture img`: those are looked up in
an index. Any other selector is translated into XPath, by a library that takes long to load.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from lxml import etree

_PART = re.compile(r"([a-z][a-z0-9]*)(?:\.([\w-]+))?(?:\[([a-z]+)=([a-z]+)\])?")
# The only pseudo-classes that hold for good in an email.
_LASTING = (":first-child", ":last-child")


class Elements:
    """A tree with an index of its elements by their tags."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.by_tag: defaultdict[str, list[Any]] = defaultdict(list)
        for element in tree.iter(etree.Element):
            self.by_tag[element.tag].append(element)


Selects = Callable[[Elements], Iterable[Any]]


def selecting(selector: str) -> Selects | None:
    """Return what finds the elements of a selector; None if it is none, or names what passes, such as `a:hover`."""
    parts = [_PART.fullmatch(part) for part in selector.split()]
    if parts and all(parts):
        return partial(_found, [_Part(*part.groups()) for part in parts if part])
    passing = ":" in selector and f":{selector.split(':', 1)[1]}" not in _LASTING
    return None if not selector or "*" in selector or passing else _by_xpath(selector)


class _Part(NamedTuple):
    """`tag.class[name=value]`."""

    tag: str
    class_: str | None
    name: str | None
    value: str | None

    def fits(self, element: Any) -> bool:
        """Tell whether an element with this tag has the class and the attribute, too."""
        if self.class_ and self.class_ not in element.get("class", "").split():
            return False
        return not self.name or element.get(self.name) == self.value


def _found(parts: Sequence[_Part], elements: Elements) -> list[Any]:
    *around, last = parts
    if not all(part.tag in elements.by_tag for part in parts):
        return []
    found = elements.by_tag[last.tag]
    if last.class_ or last.name:
        found = [one for one in found if last.fits(one)]
    return [one for one in found if _is_in(around, one)] if around else found


def _is_in(around: Sequence[_Part], element: Any) -> bool:
    """Tell whether the element stands in elements of these kinds, the last of them innermost."""
    *further, nearest = around
    outwards = (outer for outer in element.iterancestors(nearest.tag) if nearest.fits(outer))
    return any(not further or _is_in(further, outer) for outer in outwards)


def _by_xpath(selector: str) -> Selects | None:
    from lxml.cssselect import CSSSelector, SelectorError

    try:
        xpath = CSSSelector(selector)
    except SelectorError:
        return None
    return lambda elements: xpath(elements.tree)
