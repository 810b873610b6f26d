"""Markdown → sections of safe HTML; Markdown → plain text.

In order: `parsing` reads Markdown into tokens (`cjk`, `html_blocks`, `liquid` and `raw_html` repair what Markdown in
the wild brings; `remarks` and `vanishing` say what was left out), `sections` splits them at h2 and finds stories,
`directions` marks what reads from right to left, then `html` and `text` write each section. `completeness` checks that
the finished email still holds all of it.
"""

from mailer.content.markdown.anchors import Anchors
from mailer.content.markdown.attributes import COLUMN
from mailer.content.markdown.back_issues import BackIssue, as_list_item, begins_with_place, may_list_issues
from mailer.content.markdown.cjk import cut_behind
from mailer.content.markdown.completeness import lost_words_or_links
from mailer.content.markdown.directions import RIGHT_TO_LEFT, Direction, direction_of, isolate, mark_directions
from mailer.content.markdown.emoji_codes import with_emoji
from mailer.content.markdown.html import inline_to_html, to_html
from mailer.content.markdown.parsing import Document, MarkupError, Reference, first_heading, parse
from mailer.content.markdown.plain_blocks import display_width
from mailer.content.markdown.remarks import Remark
from mailer.content.markdown.sections import Section, empty_sections, needs_contents, same_title, split, title_heading
from mailer.content.markdown.text import STRUCK, Numbers, in_short_lines, inline_to_text, plain, to_text

__all__ = [
    "COLUMN",
    "RIGHT_TO_LEFT",
    "STRUCK",
    "Anchors",
    "BackIssue",
    "Direction",
    "Document",
    "MarkupError",
    "Numbers",
    "Reference",
    "Remark",
    "Section",
    "as_list_item",
    "begins_with_place",
    "cut_behind",
    "direction_of",
    "display_width",
    "empty_sections",
    "first_heading",
    "in_short_lines",
    "inline_to_html",
    "inline_to_text",
    "isolate",
    "lost_words_or_links",
    "mark_directions",
    "may_list_issues",
    "needs_contents",
    "parse",
    "plain",
    "same_title",
    "split",
    "title_heading",
    "to_html",
    "to_text",
    "with_emoji",
]
