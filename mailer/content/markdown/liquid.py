"""Remove traces of site generators, `{% … %}` and `{:.x}`, and never run them. `{{ … }}` stays as written."""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

COMMENT = re.compile(r"\{%-?\s*comment\b.*?\{%-?\s*endcomment\s*-?%\}", re.DOTALL)
TAG = re.compile(r"\{%(?:(?!\{%).)*?%\}", re.DOTALL)
ATTRIBUTES = re.compile(r"\{:[^{}\n]*\}")  # kramdown: {:.center}, {: #id}


def liquid_plugin(md: MarkdownIt) -> None:
    """Remove tags, and note them in `env["left_out"]` as (line, text)."""
    md.block.ruler.before("fence", "liquid", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    md.inline.ruler.before("escape", "liquid", _inline)
    md.core.ruler.after("block", "attributes_of_tables", _drop_rows)


def _drop_rows(state: StateCore) -> None:
    """Remove `{: .striped}` below a table, which GFM takes for a row of it."""
    if "{:" not in state.src or not any(token.type == "table_open" for token in state.tokens):
        return
    kept: list[Token] = []
    begin = 0
    for token in state.tokens:
        begin = len(kept) if token.type == "tr_open" else begin
        kept.append(token)
        if token.type != "tr_close":
            continue
        text = "".join(one.content for one in kept[begin:] if one.type == "inline").strip()
        if ATTRIBUTES.fullmatch(text):
            state.env.setdefault("left_out", []).append(((kept[begin].map or [0])[0], text))
            del kept[begin:]
    state.tokens = kept


def _block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Match a tag that begins a line and ends one, however many lines it takes."""
    start = state.bMarks[start_line] + state.tShift[start_line]
    if state.is_code_block(start_line) or not state.src.startswith("{%", start):
        return False
    found = _comment_or_tag(state.src, start)
    if not found or found.end() > state.eMarks[end_line - 1]:
        return False
    last = next(line for line in range(start_line, end_line) if state.eMarks[line] >= found.end())
    if state.src[found.end() : state.eMarks[last]].strip():
        return False
    if not silent:
        state.env.setdefault("left_out", []).append((start_line, found[0]))
        state.line = last + 1
    return True


def _comment_or_tag(source: str, position: int) -> re.Match[str] | None:
    return COMMENT.match(source, position) or TAG.match(source, position)


def _inline(state: StateInline, silent: bool) -> bool:
    # "{{% notice %}}" is a shortcode of Hugo: without its inside, "{}" would be left.
    if state.src[state.pos] != "{" or (state.pos and state.src[state.pos - 1] == "{"):
        return False
    found = ATTRIBUTES.match(state.src, state.pos)
    # The last "%}" is looked for once; without that, many "{%" and no end would take quadratic time.
    if state.html_terminator_last("%}") > state.pos:
        found = found or _comment_or_tag(state.src, state.pos)
    if not found:
        return False
    if not silent:
        token = state.push("left_out", "", 0)
        token.meta = {"text": found[0], "rule": "liquid", "newlines": found[0].count("\n")}
    state.pos = found.end()
    return True
