"""Markdown → sections of safe HTML; Markdown → plain text.

The straight line: `parsing` reads Markdown into tokens (`cjk`, `liquid` and `raw_html` mend what Markdown in the wild
brings), `sections` splits them at h2 and finds stories, then `html` and `text` write each section.
`losing` looks whether the finished mail still holds all of it.
"""

from mailer.markup.anchors import Anchors
from mailer.markup.html import inline_to_html, to_html
from mailer.markup.listing import BackIssue, as_list_item
from mailer.markup.losing import lost_words_or_links
from mailer.markup.parsing import Document, MarkupError, Reference, Remark, first_heading, parse
from mailer.markup.sections import Section, empty_sections, split
from mailer.markup.text import Numbers, display_width, in_short_lines, inline_to_text, plain, to_text

__all__ = [
    "Anchors",
    "BackIssue",
    "Document",
    "MarkupError",
    "Numbers",
    "Reference",
    "Remark",
    "Section",
    "as_list_item",
    "display_width",
    "empty_sections",
    "first_heading",
    "in_short_lines",
    "inline_to_html",
    "inline_to_text",
    "lost_words_or_links",
    "parse",
    "plain",
    "split",
    "to_html",
    "to_text",
]
