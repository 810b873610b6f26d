"""Read lists of definitions as PHP Markdown Extra and Pandoc write them: a term, and below it `: what it means`."""

from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from mdit_py_plugins.deflist import deflist_plugin


def definitions_plugin(md: MarkdownIt) -> None:
    md.use(deflist_plugin)
    rule = next(rule.fn for rule in md.block.ruler.__rules__ if rule.name == "deflist")
    md.block.ruler.at("deflist", _if_defined_below(rule), {"alt": ["paragraph", "reference", "blockquote"]})


def _if_defined_below(deflist: Callable[[StateBlock, int, int, bool], bool]) -> Callable[..., bool]:
    """Look for a list only above a ":". Pandoc's "~" signs a letter as often: "Happy reading\\n~ Anna"."""

    def match(state: StateBlock, line: int, end: int, silent: bool) -> bool:
        if silent:
            return state.ddIndent >= 0 and _begins_meaning(state, line) and deflist(state, line, end, silent)
        below = line + 1 if line + 1 < end and not state.isEmpty(line + 1) else line + 2
        return below < end and _begins_meaning(state, below) and deflist(state, line, end, silent)

    return match


def _begins_meaning(state: StateBlock, line: int) -> bool:
    return state.src.startswith(":", state.bMarks[line] + state.tShift[line])
