"""Take a short cut where markdown-it and linkify-it do slow work for each link and each text. Same results."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from linkify_it import LinkifyIt  # type: ignore[import-untyped]
from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.helpers import parseLinkDestination, parseLinkTitle
from markdown_it.ruler import Ruler
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline

from mailer.content.markdown.cjk import end_of_address, ends_within
from mailer.content.markdown.footnotes import parse_link_label


def take_shortcuts(md: MarkdownIt) -> None:
    """Let the parser, with all its plugins, take the short cuts from now on."""
    md.helpers = Helpers()  # type: ignore[assignment]  # it is typed as the module that it is by default
    rules = {rule.name: rule.fn for rule in md.inline.ruler.__rules__}
    md.inline.ruler.at("text", _text)
    md.inline.ruler.at("link", partial(_link, rules["link"]))
    md.inline.ruler = _ByLetter(md.inline.ruler, _inline_rule)
    md.inline.ruler2 = _only_if_marked(md.inline.ruler2)
    md.block.ruler = _ByLetter(md.block.ruler, _block_rule)
    for rule in md.core.ruler.__rules__:
        if rule.name in _SIGNS:
            md.core.ruler.at(rule.name, _only_with(_SIGNS[rule.name], rule.fn))
    md.options = _Options(md.options)  # type: ignore[assignment]


class _Options(dict[str, Any]):
    """The parser's options without a function call for each look at one."""

    __getattr__ = dict.__getitem__


class Linkify(LinkifyIt):  # type: ignore[misc]
    """Searches without fuzzy links: all that is left to find has a "//" or is a "mailto:" with its "@"."""

    before = ""  # the character before the text that is asked about

    def pretest(self, text: str) -> bool:
        return "//" in text or "@" in text

    def test(self, text: str) -> bool:
        return self.pretest(text) and bool(super().test(text))

    def test_schema_at(self, text: str, name: str, position: int) -> int:
        if name in ("http:", "https:") and (plain := _PLAIN_ADDRESS.match(text, position)):
            return plain.end() - position
        # Where it ends soon, linkify does not read on through all that has no spaces: quadratic, if it is addresses.
        if ends_within(text, position, 1000):
            text = text[: position + 2000]
        length = int(super().test_schema_at(text, name, position))
        start = position - len(name)
        return end_of_address(text[position : position + length], text[start - 1] if start else self.before)


# Without anything after which an address may end earlier, and up to a space: linkify's own pattern costs 8 ms.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,60}[A-Za-z0-9])?"
_PLAIN_ADDRESS = re.compile(
    rf"//{_LABEL}(?:\.{_LABEL})*(?:/(?:[A-Za-z0-9/%&=#@_-]|[.?](?=[A-Za-z0-9/_])){{0,2000}})?(?=[ \n]|\Z)"
)


@dataclass
class Destination:
    """A link destination, as markdown-it's rules take it."""

    ok: bool
    pos: int
    str: str


class Helpers:
    """The helpers that markdown-it's rules for links call."""

    parseLinkTitle = staticmethod(parseLinkTitle)

    @staticmethod
    def parseLinkLabel(state: StateInline, start: int, disableNested: bool = False) -> int:
        """Find the bracket that ends a link's text. markdown-it looks for tokens in it, which it does again later."""
        found = _PLAIN_LABEL.match(state.src, start + 1, state.posMax)
        if found and state.level < state.md.options["maxNesting"]:
            return found.end() - 1
        return parse_link_label(state, start, disableNested)

    @staticmethod
    def parseLinkDestination(source: str, pos: int, maximum: int) -> Any:
        """Find where an address ends. markdown-it looks at each of its characters: a tenth of all parsing."""
        found = _PLAIN.match(source, pos, maximum)
        if found and (found.end() == maximum or source[found.end()] in " \n)"):
            return Destination(True, found.end(), unescapeAll(found[0]))
        return parseLinkDestination(source, pos, maximum)


# No backslash escape, no nesting, nothing that ends an address.
_PLAIN = re.compile(r"[^\x00-\x20\x7f<\\()]+")
# Nothing that could hold a bracket of its own: an escape, a tag, a nested link, an address, a tag of Liquid. Code may.
_WORDS = r"(?:[^\[\]\\`<{:]++|:(?!//)|`[^`]++`(?!`))*+"
_PLAIN_LABEL = re.compile(rf"{_WORDS}\]")
_PLAIN_LINK = re.compile(rf"\[(?P<words>{_WORDS})\]\((?P<address>{_PLAIN.pattern})\)")


# ---------------------------------------------------------------- rules by their first letter

# What the text that a rule matches begins with; rules that are not here can begin with anything.
_BLOCK = {
    "fence": "`~",
    "liquid": "{",
    "blockquote": ">",
    "hr": "*-_",
    "list": "*+-0123456789",
    "footnote_def": "[",
    "reference": "[",
    "html_block": "<",
    "heading": "#",
}
_INLINE = {
    "linkify": ":",
    "newline": "\n",
    "escape": "\\",
    "attributes": "{",
    "liquid": "{",
    "backticks": "`",
    "strikethrough": "~",
    "mark": "=",
    "sub": "~",
    "sup": "^",
    "emphasis": "*_",
    "link": "[",
    "sized_image": "!",
    "image": "!",
    "footnote_inline": "^",
    "footnote_ref": "[",
    "autolink": "<",
    "html_inline": "<",
    "entity": "&",
}
Rule = Callable[..., bool]
Named = list[tuple[str, Rule]]


class _ByLetter(Ruler[Any]):
    """The rules of a parser as one rule, which asks only those that can match: markdown-it asks all at each line."""

    def __init__(self, ruler: Ruler[Any], combine: Callable[[Named], Rule]) -> None:
        super().__init__()
        self.__rules__ = ruler.__rules__
        names = {id(rule.fn): rule.name for rule in ruler.__rules__}
        chains = {"", *(chain for rule in ruler.__rules__ for chain in rule.alt)}
        self._combined = {
            chain: [combine([(names[id(rule)], rule) for rule in ruler.getRules(chain)])] for chain in chains
        }

    def getRules(self, chainName: str = "") -> list[Any]:
        return self._combined[chainName]


class _Rules(dict[str, list[Rule]]):
    """Letter → the rules that can match what begins with it, in their order."""

    def __init__(self, rules: Named, can_match: Callable[[str, str], bool]) -> None:
        self._rules, self._can_match = rules, can_match

    def __missing__(self, letter: str) -> list[Rule]:
        found = self[letter] = [rule for name, rule in self._rules if self._can_match(name, letter)]
        return found


def _block_rule(rules: Named) -> Rule:
    quick = [(name, _ONLY_IF[name](rule) if name in _ONLY_IF else rule) for name, rule in rules]
    at = _Rules(quick, lambda name, letter: letter in _BLOCK.get(name, letter))

    def match(state: StateBlock, line: int, end: int, silent: bool) -> bool:
        place = state.bMarks[line] + state.tShift[line]
        for rule in at[state.src[place : place + 1]]:  # noqa: SIM110 — a generator takes as long as the rules
            if rule(state, line, end, silent):
                return True
        return False

    return match


def _inline_rule(rules: Named) -> Rule:
    at = _Rules(
        rules,
        lambda name, letter: not _SPECIAL.match(letter) if name == "text" else letter in _INLINE.get(name, letter),
    )

    def match(state: StateInline, silent: bool) -> bool:
        for rule in at[state.src[state.pos]]:  # noqa: SIM110 — a generator takes as long as the rules
            if rule(state, silent):
                return True
        return False

    return match


def _text(state: StateInline, silent: bool) -> bool:
    """Read on to what a rule can begin with. markdown-it stops at each hyphen and full stop in case a rule may."""
    found = _SPECIAL.search(state.src, state.pos, state.posMax)
    end = found.start() if found else state.posMax
    if end == state.pos:
        return False
    if not silent:
        state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


# Where a rule may match, and "]", which ends a link's text.
_SPECIAL = re.compile(r"[\n\\`*_~^\[\]<&{]|:(?=//)|!(?=\[)|=(?==)")


def _link(link: Rule, state: StateInline, silent: bool) -> bool:
    """Read `[words](address)` at once. markdown-it looks for its end, at its address and for a title one by one."""
    found = _PLAIN_LINK.match(state.src, state.pos, state.posMax)
    if not found or state.level >= state.md.options["maxNesting"]:
        return link(state, silent)
    if not silent:
        end, state.posMax = state.posMax, found.end("words")
        state.push("link_open", "a", 1).attrs = {"href": unescapeAll(found["address"])}
        state.pos += 1
        state.linkLevel += 1
        state.md.inline.tokenize(state)
        state.linkLevel -= 1
        state.push("link_close", "a", -1)
        state.posMax = end
    state.pos = found.end()
    return True


def _if_underlined(lheading: Rule) -> Rule:
    """Look for a heading's underline only in a paragraph that has a line of that kind."""

    def match(state: StateBlock, line: int, end: int, silent: bool) -> bool:
        for following in range(line + 1, end):
            place = state.bMarks[following] + state.tShift[following]
            if place >= state.eMarks[following]:
                return False
            if state.src[place] in "-=":
                return lheading(state, line, end, silent)
        return False

    return match


def _if_ruled(table: Rule) -> Rule:
    """Look for a table only where the line below its head may be one."""

    def match(state: StateBlock, line: int, end: int, silent: bool) -> bool:
        place = state.bMarks[line + 1] + state.tShift[line + 1]
        return state.src[place : place + 1] in _RULES_OF_TABLES and table(state, line, end, silent)

    return match


def _if_defined(reference: Rule) -> Rule:
    """Look for the definition of a reference only where a colon follows the brackets."""

    def match(state: StateBlock, line: int, end: int, silent: bool) -> bool:
        place = state.bMarks[line] + state.tShift[line]
        return bool(_DEFINED.match(state.src, place)) and reference(state, line, end, silent)

    return match


def _only_with(sign: re.Pattern[str], rule: Callable[[StateCore], None]) -> Callable[[StateCore], None]:
    return lambda state: rule(state) if sign.search(state.src) else None


# What a text must have, or the rule would only look at all its tokens.
_SIGNS = {"github-tasklists": re.compile(r"\[[ xX]\]"), "footnote_tail": re.compile(r"\[\^|\^\[")}
_DEFINED = re.compile(r"\[(?:[^\[\]\\]|\\.)*\]:", re.DOTALL)
_RULES_OF_TABLES = ("|", "-", ":")
_ONLY_IF = {"lheading": _if_underlined, "table": _if_ruled, "reference": _if_defined}


def _only_if_marked(ruler: Ruler[Any]) -> Ruler[Any]:
    """Pair the marks of emphasis only in text that has some: only they leave texts beside each other, to be joined."""
    rules = ruler.getRules("")

    def tidy(state: StateInline) -> None:
        if state.delimiters or any(meta and meta["delimiters"] for meta in state.tokens_meta):
            for rule in rules:
                rule(state)

    tidied = Ruler[Any]()
    tidied.push("tidy", tidy)
    return tidied
