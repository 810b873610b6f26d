"""Turn tokens into HTML that mail clients can show and that holds only what the allow-lists name."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from mailer.content.markdown import callouts, highlighting
from mailer.content.markdown.raw_html import ALLOWED

ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title", "id", "class", "dir"},
    "img": {"src", "alt", "title", "width", "height", "class"},
    "ol": {"start", "dir"},
    "td": {"style", "align", "colspan", "rowspan", "dir"},
    "th": {"style", "align", "colspan", "rowspan", "dir"},
    **{tag: {"dir"} for tag in ("blockquote", "code", "dt", "dd")},
    **{tag: {"id", "dir"} for tag in ("li", "sup")},
    **{tag: {"id", "dir", "align"} for tag in ("h1", "h4", "h5", "h6")},
    **{tag: {"id", "class", "dir"} for tag in ("ul", "span", "pre")},
    **{tag: {"id", "class", "dir", "align"} for tag in ("h2", "h3", "table", "div", "p")},
}
CLASSES = {"story", "source", "wide", "code", "picture", "caption", "callout", "label"}
CLASSES |= {*highlighting.CLASSES, *callouts.CLASSES.values()}


class MailRenderer(RendererHTML):
    """markdown-it's HTML, with the few places where email differs from the web."""

    def renderToken(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        if token.nesting < 0 and not token.hidden and not token.attrs:  # markdown-it takes four times as long
            return f"</{token.tag}>\n" if token.block else f"</{token.tag}>"
        return str(super().renderToken(tokens, idx, options, env))

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        # The box scrolls on a phone, where a wide table would stretch the whole mail.
        return f'<div class="wide">{self.renderToken(tokens, idx, options, env)}'

    def table_close(self, *_: Any) -> str:
        return "</table></div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        words = tokens[idx].info.split()
        code = highlighting.to_html(tokens[idx].content.rstrip(), words[0] if words else "")
        way = ' dir="ltr"' if "dir" in tokens[idx].attrs else ""
        return f'<pre class="code"{way}><code>{code}</code></pre>\n'

    code_block = fence

    def html_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return self.renderInline(tokens[idx].children or [], options, env)

    def paragraph_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        if tokens[idx].hidden:
            return ""
        children = tokens[idx + 1].children or [] if idx + 1 < len(tokens) else []
        seen = [child.type for child in children if child.type not in ("link_open", "link_close")]
        return '<p class="picture">' if seen == ["image"] else self.renderToken(tokens, idx, options, env)

    def callout_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        tokens[idx].attrs["class"] = f"callout {callouts.CLASSES[str(tokens[idx].meta['kind'])]}"
        opening = self.renderToken(tokens, idx, options, env)
        label = callouts.label(tokens, idx)
        return f'{opening}<p class="label">{escape(label)}</p>\n' if label else opening

    def callout_title_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        tokens[idx].attrs["class"] = "label"
        return self.renderToken(tokens, idx, options, env)

    def hardbreak(self, *_: Any) -> str:
        return "<br>\n"

    def footnote_ref(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        number = int(tokens[idx].meta["id"]) + 1
        return f'<sup><a href="#note-{number}">{number}</a></sup>'

    def footnote_block_open(self, *_: Any) -> str:
        return "<ol>\n"

    def footnote_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f'<li id="note-{int(tokens[idx].meta["id"]) + 1}">'

    def footnote_anchor(self, *_: Any) -> str:
        return ""  # a link back needs an anchor, which mail clients seldom keep

    def footnote_block_close(self, *_: Any) -> str:
        return "</ol>\n"

    def footnote_close(self, *_: Any) -> str:
        return "</li>\n"

    def heading_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<{_below_title(tokens[idx].tag)}{self.renderAttrs(tokens[idx])}>\n"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"</{_below_title(tokens[idx].tag)}>\n"

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<a{self.renderAttrs(tokens[idx])}>"

    def link_close(self, *_: Any) -> str:
        return "</a>"


def _below_title(tag: str) -> str:
    """Lower the heading: the issue's title is the only h1 and the section's the only h2."""
    return "h3" if tag in ("h1", "h2") else tag


_markdown = MarkdownIt("commonmark", {"xhtmlOut": False, "html": True}, renderer_cls=MailRenderer)
_renderer = MailRenderer(_markdown)


def to_html(tokens: Sequence[Token]) -> str:
    """Return block tokens as safe HTML: close what is unclosed, remove scripts and styles."""
    return _sanitise(_renderer.render(list(tokens), _markdown.options, {}))


def inline_to_html(children: Sequence[Token]) -> str:
    return _sanitise(_renderer.renderInline(list(children), _markdown.options, {}))


def _only_our_values(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "style":
        aligned = re.search(r"text-align:\s*(left|right|center)\b", value)
        return aligned[0] if aligned else None
    if attribute == "align":
        # A table at a side would have the text beside it.
        return (
            value.lower() if value.lower() in ({"center"} if tag == "table" else {"left", "right", "center"}) else None
        )
    if attribute == "dir":
        return value.lower() if value.lower() in ("rtl", "ltr") else None
    if attribute != "class":
        return value
    return " ".join(name for name in value.split() if name in CLASSES) or None


# Made once: its lists take longer to read than most pieces of an issue.
_cleaner = nh3.Cleaner(
    tags=set(ALLOWED),
    attributes=ATTRIBUTES,
    attribute_filter=_only_our_values,
    url_schemes={"http", "https", "mailto", "tel"},
    filter_style_properties={"text-align"},
    link_rel=None,
    strip_comments=True,
)


def _sanitise(html: str) -> str:
    return _cleaner.clean(html)
