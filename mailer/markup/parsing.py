"""Markdown → tokens: CommonMark with tables, strikethrough, footnotes, task lists and bare addresses as links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

from mailer.markup import raw_html
from mailer.markup.cjk import cjk_plugin, end_bare_addresses, join_wide_lines
from mailer.markup.liquid import liquid_plugin

# Deeper than any text needs; far deeper input crashes mail software (and premailer loses text past 254 tags).
DEEPEST = 48
AUTOLINK_SCHEMES = ("http", "https", "mailto", "tel")


class MarkupError(ValueError):
    """The text cannot be a mail. `line` counts from 0 in the text."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.line, self.message, self.fix = line, message, fix


@dataclass(frozen=True)
class Remark:
    """Something an editor should know of, though the mail can be made. Line and column count from 0."""

    line: int
    column: int
    message: str


@dataclass(frozen=True)
class Reference:
    """A link or an image of the text, to be pointed somewhere: `token.attrs` holds href or src as written."""

    token: Token
    target: str
    line: int  # from 0
    column: int


@dataclass
class Document:
    source: str
    tokens: list[Token]
    remarks: list[Remark] = field(default_factory=list)

    def links(self) -> Iterator[Reference]:
        return self._references("link_open", "href", "[")

    def images(self) -> Iterator[Reference]:
        return self._references("image", "src", "![")

    def _references(self, kind: str, attribute: str, mark: str) -> Iterator[Reference]:
        lines = self.source.split("\n")
        for token in self.tokens:
            begin, end = token.map or (0, len(lines))
            for child in token.children or []:
                if child.type == kind:
                    target = str(child.attrs.get(attribute, ""))
                    line, column = _place(lines, begin, end, target, mark)
                    yield Reference(child, target, line, column)


def parse(source: str) -> Document:
    """The tokens of a Markdown text. Raises `MarkupError` for text that is nested too deeply."""
    env: dict[str, list[tuple[int, str]]] = {}
    tokens = _parser().parse(source, env)
    _refuse_deep(tokens)
    document = Document(source, tokens)
    for line, text in env.get("left_out", []):
        document.remarks.append(_left_out(line, text))
    for token in tokens:
        if token.type == "html_block":
            token.children = raw_html.tokens_of_block(token.content)
        elif token.children:
            token.children = join_wide_lines(end_bare_addresses(raw_html.resolve(_visible_autolinks(token.children))))
        if token.children:
            token.children = _take_left_out(token, document)
    _refuse_deep_html(tokens)
    document.tokens = _without_empty_paragraphs(tokens)
    return document


def first_heading(source: str) -> str:
    """The words of the first `# heading`, or nothing."""
    from mailer.markup.text import plain

    tokens = _parser().parse(source)
    for position, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            return plain(raw_html.resolve(tokens[position + 1].children or []))
    return ""


class _AsWritten(MarkdownIt):
    """Addresses stay as written until they are checked, so that an error can quote the editor's own words."""

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link

    def validateLink(self, url: str) -> bool:
        return True


def _parser() -> MarkdownIt:
    md = _AsWritten("commonmark", {"html": True, "linkify": True, "typographer": False, "maxNesting": 100})
    md.enable(["table", "strikethrough", "linkify"])
    # Without this "deci.ai" and "i.MX" in running text would become links.
    assert md.linkify is not None
    md.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    md.use(footnote_plugin).use(tasklists_plugin).use(liquid_plugin).use(cjk_plugin)
    return md


def _refuse_deep(tokens: list[Token]) -> None:
    for token in tokens:
        deepest = max((child.level for child in token.children or []), default=0)
        if token.level > DEEPEST or deepest > DEEPEST:
            raise _too_deep(token)


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
        f"lists, quotes, emphasis or HTML tags stand more than {DEEPEST} deep in each other here",
        "take some of them out",
    )


def _visible_autolinks(children: list[Token]) -> list[Token]:
    """`<std::vec>` reads as an address of scheme "std"; it is code that must stay visible."""
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


def _take_left_out(token: Token, document: Document) -> list[Token]:
    line = token.map[0] if token.map else 0
    kept = []
    for child in token.children or []:
        if child.type == "left_out":
            document.remarks.append(_left_out(line, str(child.meta["text"])))
            line += int(child.meta["newlines"])
        else:
            line += child.type in ("softbreak", "hardbreak") and not child.meta.get("html")
            kept.append(child)
    return kept


def _left_out(line: int, text: str) -> Remark:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    return Remark(line, 0, f"{shown} is left out: a mail cannot run it")


def _without_empty_paragraphs(tokens: list[Token]) -> list[Token]:
    kept: list[Token] = []
    for token in tokens:
        empty = len(kept) > 1 and kept[-1].type == "inline" and not _shows(kept[-1].children or [])
        if token.type == "paragraph_close" and empty:
            del kept[-2:]
        elif token.type != "html_block" or _shows(token.children or []):
            kept.append(token)
    return kept


def _shows(children: list[Token]) -> bool:
    return any(child.type in ("image", "code_inline", "footnote_ref") or child.content.strip() for child in children)


def _place(lines: list[str], begin: int, end: int, target: str, mark: str) -> tuple[int, int]:
    """Where `target` was written: in its block, else anywhere (`[name]: target`), else where the block begins."""
    for first, last in ((begin, end), (0, len(lines))):
        for number in range(first, min(last, len(lines))):
            column = lines[number].find(target) if target else -1
            if column >= 0:
                before = re.sub(r"\s", " ", lines[number][:column])
                return number, max(before.rfind(mark), 0)
    return begin, 0
