"""Let a block of HTML begin only where there is one, so that a paragraph which names a tag stays a paragraph.

CommonMark begins a block at `<script> tags are old.`, which goes on to the end of the file if nothing closes it.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, html_block

LONGEST = 5_000  # characters

# A bare tag with words behind it: `<title> is short`, `<title>、<meta>`. In `<center>Words` it is in use.
_NAMED = re.compile(r"</?(?P<name>[A-Za-z][\w-]*) ?/?>(?=[ \t]*[^\s<A-Za-z0-9]|[ \t]+\w)")
# What goes on across empty lines, and what ends it. A comment without an end is not text, and is told of.
_LONG = (
    (
        re.compile(r"<(script|pre|style|textarea)(?=[\s>])", re.IGNORECASE),
        ("</script>", "</pre>", "</style>", "</textarea>"),
    ),
    (re.compile(r"<\?"), ("?>",)),
    (re.compile(r"<!\[CDATA\["), ("]]>",)),
)


def html_blocks_plugin(md: MarkdownIt) -> None:
    md.block.ruler.at("html_block", _html_block, {"alt": ["paragraph", "reference", "blockquote"]})


def _html_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    start = state.bMarks[start_line] + state.tShift[start_line]
    if state.src[start : start + 1] != "<" or _is_named(state.src, start) or _never_ends(state, start):
        return False
    return html_block(state, start_line, end_line, silent)


def _is_named(source: str, start: int) -> bool:
    """Tell whether the line begins with words about a tag, which its paragraph does not close."""
    found = _NAMED.match(source, start)
    if not found:
        return False
    # A paragraph is shorter; and a text made to be slow must not be searched for each of its lines.
    paragraph = source[found.end() : found.end() + LONGEST].partition("\n\n")[0].lower()
    return f"</{found['name'].lower()}" not in paragraph


def _never_ends(state: StateBlock, start: int) -> bool:
    for begins, ends in _LONG:
        if begins.match(state.src, start):
            return max(_last(state, end) for end in ends) < start
    return False


def _last(state: StateBlock, end: str) -> int:
    """Return where `end` occurs last. Each is looked for once: many beginnings would take quadratic time."""
    found: dict[str, int] = state.env.setdefault("last_ends", {})
    if end not in found:
        found[end] = state.src.lower().rfind(end)
    return found[end]
