"""Find the elements that a CSS selector names.

Nearly all that emails need are names and classes, one inside the other, such as `p.picture img`: those are looked up in
an index. Any other selector is translated into XPath, by a library that takes long to load.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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
        *around, last = [_Part(*part.groups()) for part in parts if part]
        return lambda elements: [one for one in elements.by_tag[last.tag] if last.is_(one) and _is_in(around, one)]
    passing = ":" in selector and f":{selector.split(':', 1)[1]}" not in _LASTING
    return None if not selector or "*" in selector or passing else _by_xpath(selector)


class _Part(NamedTuple):
    """`tag.class[name=value]`."""

    tag: str
    class_: str | None
    name: str | None
    value: str | None

    def is_(self, element: Any) -> bool:
        if self.class_ and self.class_ not in element.get("class", "").split():
            return False
        return bool(self.tag == element.tag and (not self.name or element.get(self.name) == self.value))


def _is_in(around: Sequence[_Part], element: Any) -> bool:
    """Tell whether the element stands in elements of these kinds, the last of them innermost."""
    outwards = element.iterancestors()
    return all(any(part.is_(outer) for outer in outwards) for part in reversed(around))


def _by_xpath(selector: str) -> Selects | None:
    from lxml.cssselect import CSSSelector, SelectorError

    try:
        xpath = CSSSelector(selector)
    except SelectorError:
        return None
    return lambda elements: xpath(elements.tree)
