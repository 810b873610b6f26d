"""Look at the lines of the file as they were written, for what is gone once Markdown understood them."""

import re
from collections.abc import Iterator

from mailer.checks.fixes import CODE_SPAN, code_lines
from mailer.checks.proofs import Proof, shortened
from mailer.content.findings import Finding
from mailer.content.patterns import lazy

# What Git writes where two versions of a line met. "=======" is a heading's line, too, so the others must do.
_CONFLICT = lazy(r"^(?:<{7}|>{7}|\|{7})(?:[ \t][^\n]*)?$", re.MULTILINE)
_HTML_COMMENT = lazy(r"<!--(?!-?>).*?(?:-->|\Z)", re.DOTALL)
# With a sign that prose has not: "\[note\]" is a bracket that is meant.
_OF_FORMULAS = r"(?:\^|\\[A-Za-z]|_\{| = )"
_LOST_FORMULA = lazy(
    rf"(?<!\\)(?:\\\((?=[^()\n]{{0,100}}?{_OF_FORMULAS})(?:(?!\]\(|//|\\\)).){{1,200}}\\\)"
    rf"|\\\[(?=[^\[\]]{{0,100}}?{_OF_FORMULAS})(?:(?!\]\(|//|\\\]).){{1,300}}\\\])",
    re.DOTALL,
)
# The name of a site, and an id: "@[ada](https://…)" names a person, and its link works.
_EMBED = lazy(r"(?<![\w\\])@\[[a-z]{3,20}\]\([\w-][^().:\n]{0,300}\)")
# Behind a word, ！ ends a sentence.
_WIDE_IMAGE = lazy(
    r"(?<!\S)！\[[^\[\]\n]{0,200}\]\([^()\n]{1,300}?\.(?:png|jpe?g|gif|webp|svg|avif|bmp)\b[^()\n]{0,300}\)",
    re.IGNORECASE,
)
# Those between letters of Persian (U+200C) and in emoji (U+200D) are meant.
_INVISIBLE = "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_INVISIBLE_IN_ADDRESS = lazy(rf"(?:\]\(<?|https?://)[^\s()<>\[\]]{{0,300}}?([{_INVISIBLE}])")


def look(proof: Proof) -> Iterator[Finding]:
    source = proof.document.source
    if any(sign in source for sign in ("<" * 7, ">" * 7, "|" * 7)):
        yield from _conflicts(proof)
    yield from _other_signs(proof)
    if "\\(" in source or "\\[" in source:
        yield from _formulas(proof)


def _conflicts(proof: Proof) -> Iterator[Finding]:
    """Report what a merge left. A text about Git shows such lines in code, all of them in one block."""
    meant = {
        row
        for token in proof.document.tokens
        if token.map and token.type in ("fence", "code_block", "html_block")
        if {"<", ">"} <= {found[0][0] for found in _CONFLICT.finditer(token.content)}
        if token.type != "html_block" or code_lines([token], proof.document.source.split("\n"))
        for row in range(*token.map)
    }
    for found in _CONFLICT.finditer(proof.document.source):
        if proof.document.source.count("\n", 0, found.start()) in meant:
            continue
        what = f'a merge in Git left "{shortened(found[0], 40)}" in the text, so both versions would be in the email'
        fix = "keep one version, and remove the lines that begin with <<<<<<<, ======= and >>>>>>>"
        yield finding_at(proof, found.start(), "markup-left", what, fix)


def _other_signs(proof: Proof) -> Iterator[Finding]:
    """Report what Markdown reads as a link, or as a part of one, and what was not meant so."""
    source = proof.document.source
    if "@[" in source:
        for found in _EMBED.finditer(what_is_read(proof)):
            what = f'subscribers would see a link instead of what "{shortened(found[0])}" embeds'
            yield finding_at(
                proof, found.start() + 1, "markup-left", what, "write [words](address), with the address of its page"
            )
    if "！[" in source:
        for found in _WIDE_IMAGE.finditer(what_is_read(proof)):
            what = f'subscribers would see a link instead of the image "{shortened(found[0])}"'
            yield finding_at(proof, found.start() + 1, "markup-left", what, "write ! in half width, not ！")
    if re.search(f"[{_INVISIBLE}]", source):
        for found in _INVISIBLE_IN_ADDRESS.finditer(what_is_read(proof)):
            shown = re.sub(f"[{_INVISIBLE}]", "", found[0]).removeprefix("](")
            what = f'the address "{shortened(shown)}…" has an invisible character in it, U+{ord(found[1]):04X}'
            yield finding_at(proof, found.start(), "markup-maybe", what, "delete it, or type the address again")


def _formulas(proof: Proof) -> Iterator[Finding]:
    """Report formulas of LaTeX: Markdown takes their backslashes for those that let a bracket be a bracket."""
    for found in _LOST_FORMULA.finditer(what_is_read(proof)):
        shown = found[0].replace("\\(", "(").replace("\\)", ")").replace("\\[", "[").replace("\\]", "]")
        what = f'subscribers would see the formula "{shortened(found[0])}" as "{shortened(shown)}"'
        fix = "show an image of the formula, or write it in words"
        yield finding_at(proof, found.start(), "markup-maybe", what, fix)


def finding_at(proof: Proof, position: int, rule: str, what: str, fix: str) -> Finding:
    source = proof.document.source
    line_start = source.rfind("\n", 0, position) + 1
    return proof.finding(source.count("\n", 0, position), position - line_start, rule, what, fix)


def what_is_read(proof: Proof) -> str:
    """Return the source with spaces in place of code and comments."""
    lines = proof.document.source.split("\n")
    code = code_lines(proof.document.tokens, lines)
    outside = "\n".join(" " * len(line) if number in code else line for number, line in enumerate(lines))
    return _HTML_COMMENT.sub(_blank, CODE_SPAN.sub(_blank, outside))


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])
