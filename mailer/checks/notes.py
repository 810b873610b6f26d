"""Find private notes that only other programs hide, and malformed comments.

They are looked for in the file: of the tags around them nothing is left in the email, and a note may go on in further
paragraphs. `dialects` has the notes whose signs subscribers would see in one paragraph.
"""

import re
from collections.abc import Iterator

from mailer.checks.dialects import OWN_TAGS
from mailer.checks.lines import finding_at, what_is_read
from mailer.checks.proofs import Proof, shortened
from mailer.content.findings import Finding
from mailer.content.patterns import lazy

_FIX = "remove it: only <!-- a comment --> below the title is left out of an email"
_VALUE = r"(?:\"[^\"<>]{0,500}\"|'[^'<>]{0,500}'|[^\s\"'<>=]{1,200})"
_UNSEEN_STYLE = r"(?:display\s*:\s*none|visibility\s*:\s*hidden|(?:opacity|font-size)\s*:\s*0(?:px)?\s*[;\"'])"
_HIDDEN = lazy(
    rf"<(?!img|input|br|hr)[a-z][a-z0-9]*(?:\s+[\w:-]{{1,40}}(?:={_VALUE})?){{0,10}}?"
    rf"\s+(?:hidden(?=[\s>=])|style=[\"'][^\"'<>]{{0,300}}?{_UNSEEN_STYLE}|class=[\"'](?:hidden|d-none)[\"'])"
    r"[^<>]{0,500}>\s*([^\s<>][^<>]{0,200})",
    re.IGNORECASE,
)
_KRAMDOWN = lazy(r"\{::comment\}(.{0,2000}?)(?:\{:/(?:comment)?\}|\Z)", re.DOTALL)
# "<!-- x -->" as word processors and Chinese keyboards write it, and "<!--> x -->", whose first half is a comment.
_DASHED = lazy(
    r"(?<!\\)((?:[<＜]\s?[!！]\s?[-–—－]{1,3}|(?<=[^\s>])[ \t]?<!---?>)"
    r"(?=[^<>＜＞]{0,300}?\w)[^<>＜＞]{1,300}?[-–—－]{1,3}\s?[>＞])"
)
# Each stops at the next sign like its own, or a text of many such signs would be read as often.
_NOTE = lazy(
    r"(\{>>(?:[^<{]|<(?!<\})|\{(?!>>)){0,4000}<<\}"
    rf"|(?:\A|(?<=\n)|(?<=[>*+-] ))<({OWN_TAGS})>(?:[^<]|<(?!/?\2>)){{0,4000}}</\2>"
    # Not "x %% y" in one paragraph and again in the next, which is R, and nothing that is the edge of a paragraph.
    r"|(?<=[^\n\d%])(?<!\d )(?<!\b\w )%%(?![%\d])[^%]{0,4000}(?<!\b\w )%%(?=[^%\n]*\S))",
    re.IGNORECASE,
)
_EMPTY_LINE = lazy(r"\n[ \t>]*\n")
_COMMENT = lazy(r"<!--.{0,2000}?-->|^[ \t]{0,20}\[//\]:[^\n]*", re.DOTALL | re.MULTILINE)
_SIGNS = {
    "the kramdown comment": (_KRAMDOWN, ("{::comment}",)),
    "the hidden text": (_HIDDEN, ("none", "hidden", "opacity", "font-size")),
    "the comment": (_DASHED, ("<", "＜")),
    "the note": (_NOTE, ("{>>", "</", "%%")),
}


def look(proof: Proof) -> Iterator[Finding]:
    source = proof.document.source
    for kind, (pattern, signs) in _SIGNS.items():
        if any(sign in source for sign in signs):
            for found in _found(pattern, what_is_read(proof)):
                what = f'subscribers would see {kind} "{shortened(found[1])}"'
                yield finding_at(proof, found.start(), "private-note", what, _FIX)
        for name, words in {"subject": proof.rendered.subject, "preheader": proof.issue.preheader}.items():
            for found in _found(pattern, words) if any(sign in words for sign in signs) else ():
                what = f'subscribers would see {kind} "{shortened(found[1])}" in the {name}'
                told = proof.finding_at_title("private-note", what, _FIX)
                if told.line < proof.issue.body_line:
                    yield told
    for token in proof.document.tokens:
        if token.type == "code_block" and token.map and not _COMMENT.sub("", token.content).strip():
            what = f'subscribers would see the comment "{shortened(token.content)}" as code, because it is indented'
            fix = "remove the spaces before it, or write ``` around it if it should be shown"
            yield proof.finding(token.map[0], 0, "private-note", what, fix)


def _found(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield what the pattern finds; a note only if it goes on in another paragraph."""
    return (found for found in pattern.finditer(text) if pattern is not _NOTE or _EMPTY_LINE.search(found[1]))
