"""Parse Markdown: CommonMark with tables, strikethrough, footnotes, task lists and bare addresses as links."""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore, block, normalize
from markdown_it.token import Token
from mdit_py_plugins.tasklists import tasklists_plugin

from mailer.config.rules import names
from mailer.content.markdown import raw_html
from mailer.content.markdown.anchors import Anchors
from mailer.content.markdown.attributes import attributes_plugin, split_name
from mailer.content.markdown.back_issues import BackIssue, with_back_issues
from mailer.content.markdown.callouts import callout_plugin
from mailer.content.markdown.cjk import cjk_plugin, join_wide_lines
from mailer.content.markdown.closings import with_lines_of_closing
from mailer.content.markdown.definitions import definitions_plugin
from mailer.content.markdown.emoji_codes import emoji_plugin, replace_codes
from mailer.content.markdown.footnotes import after_links, footnotes_plugin
from mailer.content.markdown.html_blocks import html_blocks_plugin
from mailer.content.markdown.limits import beyond_a_mail
from mailer.content.markdown.liquid import liquid_plugin
from mailer.content.markdown.marks import mark_plugin
from mailer.content.markdown.remarks import Remark, left_out, unclosed
from mailer.content.markdown.scripts import scripts_plugin
from mailer.content.markdown.shortcuts import Linkify, take_shortcuts
from mailer.content.markdown.text import plain
from mailer.content.markdown.vanishing import vanished

# Deeper than any text needs; much deeper input crashes mail software (and premailer loses text past 254 tags).
DEEPEST = 48
# A link's text is shorter; and a text made to be slow must not be searched for each of its links.
FARTHEST = 1000
MOST_SEARCHES = 2000
AUTOLINK_SCHEMES = ("http", "https", "mailto", "tel")


_MARKS = {"linkify": "", "autolink": "", "html": "<"}


class MarkupError(ValueError):
    """The text cannot be an email. `line` counts from 0 in the text."""

    def __init__(self, line: int, message: str, fix: str, rule: str) -> None:
        super().__init__(message)
        self.line, self.message, self.fix, self.rule = line, message, fix, rule


@dataclass(frozen=True)
class Reference:
    """A link or an image of the text whose address must be resolved: `token.attrs` holds href or src as written."""

    token: Token
    target: str
    line: int  # from 0
    column: int


@dataclass
class Document:
    source: str
    tokens: list[Token]
    remarks: list[Remark] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)  # source that does not become text: tags, comments, the dropped

    def links(self) -> Iterator[Reference]:
        return self._references("link_open", "href", "[")

    def anchors(self) -> Anchors:
        return Anchors(self.tokens)

    def images(self) -> Iterator[Reference]:
        return self._references("image", "src", "![")

    def _references(self, kind: str, attribute: str, mark: str) -> Iterator[Reference]:
        lines = self.source.split("\n")
        places = _Places(lines)
        for token in self.tokens:
            if not token.children:
                continue
            begin, end = token.map or (0, len(lines))
            for child in token.children:
                if child.type == kind:
                    target = str(child.attrs.get(attribute, ""))
                    line, column = places.of(target, begin, end, _MARKS.get(child.markup, mark))
                    yield Reference(child, target, line, column)


def parse(source: str, back_issues: Sequence[BackIssue] = ()) -> Document:
    """Return the tokens of a Markdown text, with a list of `back_issues` if it asks for one.

    Raises `MarkupError` for text that is too long or nested too deeply.
    """
    _refuse_long(source)
    env: dict[str, Any] = {}
    tokens = list(with_back_issues(_parser().parse(source, env), back_issues, _parser().parse))
    _refuse_deep(tokens)
    document = Document(source, tokens)
    dropped: set[str] = set()
    for line, text in env.get("left_out", []):
        document.remarks.extend(left_out(line, text))
        document.unseen.append(text)
    for remark, text in vanished(tokens, source.split("\n"), env):
        document.remarks.append(remark)
        document.unseen.append(text)
    for token in tokens:
        if token.type == "html_block":
            token.children = raw_html.tokens_of_block(token.content)
            replace_codes(token.children)
    if "<" in source:
        document.unseen += raw_html.tags(tokens)
    partners = raw_html.pairs(tokens) if "<" in source else {}
    for token in tokens:
        if token.type == "html_block":
            token.children = raw_html.resolve(token.children or [], dropped, partners, prose=False)
        elif token.children:
            lines = with_lines_of_closing(token) if token.level == 1 else token.children  # in no list and no quote
            token.children = _repaired(lines, dropped, partners)
        if "<" in token.content or "{" in token.content:
            token.children = _take_left_out(token, document)
    document.remarks += unclosed(tokens, source.split("\n"))
    if "<" in source:
        _refuse_deep_html(tokens)
    document.tokens = _with_captions(_without_empty_paragraphs(tokens))
    return document


def _repaired(children: list[Token], dropped: set[str], partners: Mapping[int, int]) -> list[Token]:
    """Repair what Markdown gets wrong in a paragraph. Most have little of it, and copying the list took longer."""
    kinds = {child.markup or child.type for child in children}
    if "autolink" in kinds:
        children = _visible_autolinks(children)
    if "__" in kinds:
        children = _visible_names(children)
    if "html_inline" in kinds:
        children = raw_html.resolve(children, dropped, partners, prose=True)
    if "image" in kinds:
        _show_tags_in_alts(children)
    if "footnote_ref" in kinds:
        children = after_links(children)
    return join_wide_lines(children) if "softbreak" in kinds else children


def _show_tags_in_alts(children: Iterable[Token]) -> None:
    """Keep what an image's description says in pointed brackets: `List<String>`."""
    for child in children:
        if child.type == "image" and any(inside.type == "html_inline" for inside in child.children or ()):
            child.children = raw_html.resolve(child.children or [], set(), raw_html.pairs([child]), prose=True)


def first_heading(source: str) -> str:
    """Return the text of the first `# heading`, or "". Raises `MarkupError` for text that is too long."""
    _refuse_long(source)
    # Nearly always the first line that looks like one is one, and what follows need not be read to know.
    looks = _MAYBE_H1.search(source)
    if looks and "]" not in looks[0]:
        words = _first_h1(source[: looks.end()])
        if words:
            return words
    return _first_h1(source) if looks else ""


_MAYBE_H1 = re.compile(r"^[ \t>*+\-\d.)]*#(?:[ \t].*)?$|^.*\n[ \t>*+\-\d.)]*=+[ \t]*$", re.MULTILINE)


def _first_h1(source: str) -> str:
    md = _parser()
    env: dict[str, Any] = {}
    state = StateCore(source, md, env)
    for rule in (normalize, block):
        rule(state)
    for position, token in enumerate(state.tokens):
        if token.type == "heading_open" and token.tag == "h1":
            words = md.parseInline(split_name(state.tokens[position + 1].content)[0], env)[0]
            return plain(_repaired(words.children or [], set(), raw_html.pairs([words])))
    return ""


class _AsWritten(MarkdownIt):
    """Addresses stay as written until they are checked, so that an error can quote the editor's own text."""

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link

    def validateLink(self, url: str) -> bool:
        return True


def _parser() -> MarkdownIt:
    """Return the parser of this thread: it takes milliseconds to make, and its linkify keeps state while it reads."""
    if not hasattr(_own, "parser"):
        _own.parser = _new_parser()
    parser: MarkdownIt = _own.parser
    return parser


_own = threading.local()


def _new_parser() -> MarkdownIt:
    parser = _plain_parser()
    take_shortcuts(parser)
    return parser


def _plain_parser() -> MarkdownIt:
    md = _AsWritten("commonmark", {"html": True, "linkify": True, "typographer": False, "maxNesting": 2 * DEEPEST + 14})
    md.enable(["table", "strikethrough", "linkify"])
    md.linkify = Linkify()
    # Without this "deci.ai" and "i.MX" in running text would become links.
    md.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    md.use(footnotes_plugin).use(tasklists_plugin).use(liquid_plugin).use(cjk_plugin).use(html_blocks_plugin)
    md.use(callout_plugin).use(definitions_plugin).use(scripts_plugin).use(mark_plugin).use(emoji_plugin).use(
        attributes_plugin
    )
    return md


def _refuse_long(source: str) -> None:
    much = beyond_a_mail(source)
    if much:
        what = f"the text has {much}, far more than an email can hold"
        raise MarkupError(0, what, "shorten the issue, or send it as several", "size-limit")


def _refuse_deep(tokens: list[Token]) -> None:
    depth = 0
    for token in tokens:
        if token.type in _NESTS:
            depth += token.nesting
        if depth > DEEPEST:
            raise _too_deep(token)
        # Each level takes a token that begins it.
        if token.children and len(token.children) > DEEPEST and any(one.level > DEEPEST for one in token.children):
            raise _too_deep(token)


_QUOTES = ("blockquote", "callout")
_NESTS = {f"{kind}_{end}" for kind in ("bullet_list", "ordered_list", "dl", *_QUOTES) for end in ("open", "close")}


def _refuse_deep_html(tokens: list[Token]) -> None:
    depth = 0
    for token in tokens:
        for child in token.children or []:
            if child.type == "html_inline":
                depth = max(0, depth + raw_html.nesting(child.content))
                if depth > DEEPEST:
                    raise _too_deep(token)


def _too_deep(token: Token) -> MarkupError:
    return MarkupError(
        token.map[0] if token.map else 0,
        f"lists, quotes, emphasis or HTML tags are nested more than {DEEPEST} deep here",
        "remove some of them",
        "nesting",
    )


def _visible_autolinks(children: list[Token]) -> list[Token]:
    """Show `<std::vec>` as code: it parses as an address of scheme "std", and would not be visible."""
    result: list[Token] = []
    prose = False
    for child in children:
        if child.type == "link_open" and child.markup == "autolink":
            scheme = str(child.attrs["href"]).split(":")[0].lower()
            prose = scheme not in AUTOLINK_SCHEMES
        if prose and child.type in ("link_open", "link_close"):
            prose = child.type == "link_open"
            result.append(Token("text", "", 0, content="<" if prose else ">"))
        else:
            result.append(child)
    return result


# Those that no sentence has in bold: "ne", "del" and "doc" are words of some language.
_NAMES = names("dict eq getattr getitem init iter repr setattr setitem")


def _visible_names(children: list[Token]) -> list[Token]:
    """Keep the lines around Python's names: `__init__` parses as a bold "init"."""
    result = list(children)
    for position in range(len(result) - 2):
        opening, name, closing = result[position : position + 3]
        if opening.markup == "__" and closing.type == "strong_close" and name.content in _NAMES:
            result[position] = Token("text", "", 0, content="__")
            result[position + 2] = Token("text", "", 0, content="__")
    return result


def _take_left_out(token: Token, document: Document) -> list[Token]:
    line = token.map[0] if token.map else 0
    kept = []
    for child in token.children or []:
        if child.type == "left_out":
            document.remarks.extend(left_out(line, str(child.meta["text"]), str(child.meta["rule"])))
            document.unseen.append(str(child.meta["text"]))
            line += int(child.meta["newlines"])
        else:
            line += child.type in ("softbreak", "hardbreak") and not child.meta.get("html")
            line += child.content.count("\n") if child.type == "text" else 0
            kept.append(child)
    return kept


def _with_captions(tokens: list[Token]) -> list[Token]:
    """Add the title of an image that stands alone as a paragraph below it."""
    result: list[Token] = []
    for token in tokens:
        result.append(token)
        if token.type != "paragraph_close" or len(result) < 3:
            continue
        seen = [child for child in result[-2].children or [] if child.type not in ("link_open", "link_close")]
        if len(seen) == 1 and seen[0].type == "image" and (caption := str(seen[0].attrs.pop("title", ""))):
            shown = [Token("text", "", 0, content=caption)]
            words = Token("inline", "", 0, map=result[-2].map, content=caption, children=shown)
            result += [
                Token("paragraph_open", "p", 1, attrs={"class": "caption"}, map=result[-2].map, block=True),
                words,
                Token("paragraph_close", "p", -1, block=True),
            ]
    return result


def _without_empty_paragraphs(tokens: list[Token]) -> list[Token]:
    kept: list[Token] = []
    for token in tokens:
        if token.type == "paragraph_close" and kept[-1].type == "inline" and not _shows(kept[-1].children or []):
            del kept[-2:]
        elif token.type != "html_block" or _shows(token.children or []):
            kept.append(token)
    return kept


def _shows(children: list[Token]) -> bool:
    return any(child.type in ("image", "code_inline", "footnote_ref") or child.content.strip() for child in children)


class _Places:
    """Where targets were written: in their block, else anywhere (`[name]: target`), else where the block begins."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._last = (0, 0)  # links come in the order of the text, so each search goes on from the last place
        self._searches = 0

    def of(self, target: str, begin: int, end: int, mark: str) -> tuple[int, int]:
        """Return line and column, from 0, of the `mark` before `target`, which belongs to lines `begin` to `end`."""
        if not target:
            return begin, 0
        found = self._find(target, *max(self._last, (begin, 0)), end) or self._find_from_the_top(target, begin, end)
        if not found:
            return begin, 0
        number, column = found
        if begin <= number < end:
            self._last = (number, column + len(target))
        farthest = max(0, column - FARTHEST)
        return number, max(self._lines[number].rfind(mark, farthest, column), farthest) if mark else column

    def _find_from_the_top(self, target: str, begin: int, end: int) -> tuple[int, int] | None:
        self._searches += 1
        if self._searches > MOST_SEARCHES:
            return None
        return self._find(target, begin, 0, end) or self._find(target, 0, 0, len(self._lines))

    def _find(self, target: str, number: int, column: int, end: int) -> tuple[int, int] | None:
        for line in range(number, min(end, len(self._lines))):
            found = self._lines[line].find(target, column)
            if found >= 0:
                return line, found
            column = 0
        return None
