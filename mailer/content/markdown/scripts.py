"""Read `H~2~O` and `x^2^`, as Pandoc and many editors write what stands below or above the line.

Only behind what has such a thing: "100~200元，1~2个" has two ranges, "thanks^o^" a face.
"""

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.subscript import sub_plugin
from mdit_py_plugins.superscript import superscript_plugin

from mailer.content.patterns import lazy

# A number behind a letter, a few letters behind a single one: H~2~O, E~max~.
_BELOW = lazy(
    r"~(?:(?<=[A-Za-z\u0370-\u03ff)\]]~)\d{1,4}[+-]?|(?<![0-9A-Za-z_].~)(?<=[A-Za-z\u0370-\u03ff]~)[A-Za-z]{1,3})~(?!~)"
)
# What has a charge, and no face: Na^+^ and e^-^, but "Thanks^-^".
_ION = (
    r"(?:(?<![0-9A-Za-z_].\^)(?:(?<=[HKep\u0370-\u03ff]\^)\+|(?<=[FHe\u0370-\u03ff]\^)[\u2212-])"
    r"|(?<![0-9A-Za-z_]..\^)(?:(?<=Ag\^|Au\^|Cs\^|Cu\^|Li\^|Na\^|Rb\^)\+|(?<=Br\^|Cl\^|CN\^|OH\^)[\u2212-]))"
)
# A number behind a letter or a number, a few letters behind a number or a single letter: x^2^, 1^st^, e^x^.
_ABOVE = lazy(
    r"\^\[\d{1,3}(?:[-,，、]\d{1,3}){0,9}\]\^|"  # a reference, [1]
    # "a^1^b" has operators.
    rf"\^(?:(?:(?<=[0-9A-Za-z\u0370-\u03ff)\]]\^)[+\u2212-]?\d{{1,4}}[+-]?|{_ION})\^(?![0-9A-Za-z_^])"
    r"|(?:(?<=\d\^)|(?<![0-9A-Za-z_].\^)(?<=[A-Za-z\u0370-\u03ff]\^))[A-Za-z]{1,3}(?:[+-]\d)?\^(?![0-9A-Za-z_^]))"
)


def scripts_plugin(md: MarkdownIt) -> None:
    md.use(sub_plugin).use(superscript_plugin)
    for name, pattern in (("sub", _BELOW), ("sup", _ABOVE)):
        rule = next(rule.fn for rule in md.inline.ruler.__rules__ if rule.name == name)
        md.inline.ruler.at(name, _only_at(pattern, rule))


def _only_at(pattern: re.Pattern[str], rule: Callable[[StateInline, bool], bool]) -> Callable[..., bool]:
    return lambda state, silent: bool(pattern.match(state.src, state.pos, state.posMax)) and rule(state, silent)
