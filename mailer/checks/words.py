"""Check subject, preheader and date as the inbox shows them, and find text that was only a placeholder."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice

from markdown_it.token import Token

from mailer.checks.html_code import with_code
from mailer.checks.proofs import Proof, shortened
from mailer.content.dates import days_in
from mailer.content.findings import Finding
from mailer.content.markdown import display_width, plain
from mailer.content.markdown.text import closing
from mailer.content.patterns import lazy

MOST = 50  # pieces of one paragraph that are reported; a text made to be slow has thousands
WIDEST_SUBJECT = 60  # columns that an inbox on a desktop shows
ANSWER = re.compile(r"(re|aw|sv|回复|答复|回覆|(?P<forwards>fwd?|wg|转发|轉寄))\s*[:：]", re.IGNORECASE)
_TO_BE_WRITTEN = r"TODO|FIXME|TBD|TBA|TK|XXX+|待补充?|待填写?|待定"
TO_DO = lazy(
    r"^\W*(TODO|FIXME|TBD|TBA|XXX+)\b|\b(TODO|FIXME|TBD)\s*[:：]|\b(FIXME|TKTK)\b"
    rf"|[\[(（【{{]\s*(?:{_TO_BE_WRITTEN})(?:[\s:：][^\[\](){{}}（）【】\n]{{0,60}})?[\])）】}}]"
    # Journalists write TK for what is "to come"; TK Maxx is a name, and so is Tcl/TK.
    r"|(?<![\w./-])TK(?=[.,;:!?)]*(?:$|\s+[a-z])|[.,;:!?])"
    # Where a picture or words were to be put, as WeChat and templates write it.
    r"|[\[【](?:图片|插图|配图|截图|此处[^\[\]【】\n]{1,20})[\]】]|(?i:\[(?:image|photo|picture|screenshot)\])"
    r"|\[[Ii]nsert\s[^\[\]\n]{1,60}\]|\[(?:[Aa]dd|[Pp]ut|[Ee]nter|[Yy]our)\s[^\[\]\n]{1,60}\shere\]"
    r"|(?i:^\W*lorem ipsum\b|\blorem ipsum dolor\b)",
)
_SIGNS_OF_TO_DO = ("TODO", "FIXME", "TBD", "TBA", "TK", "XX", "待", "[", "【", "orem ipsum", "OREM IPSUM", "orem Ipsum")
# Merge fields of other programs and unfilled placeholders. `{{7*7}}` is neither: it stays as written.
BLANK = re.compile(
    r"\{\{\s*[A-Za-z_][\w.\- ]*(\|[^{}]*)?\}\}|%%[A-Za-z_]+%%|<%=?\s*[\w.]+\s*%>"
    r"|\[(LINK|URL|TITLE|NAME|DATE|PLACEHOLDER|INSERT\b[^\][]{0,60}|YOUR [A-Z ]+|ADD [A-Z ]+)\]"
)
STARRED = re.compile(r"\*\|[A-Z_:]+\|\*")  # Markdown takes the stars for emphasis, so it is looked for in the source
_H1_IN_HTML = lazy(r"<h1\b[^<>]{0,200}>(.{1,300}?)</h1>", re.DOTALL)
LEAVES = lazy(r"unsub|opt_?out", re.IGNORECASE)
OWN_LINK = "remove it: mailer adds each subscriber's own link to unsubscribe below the issue"
BLANK_TARGET = re.compile(r"(TODO|LINK|URL|TBD|XXX+|https?://(TODO|LINK|URL|TBD|XXX+|…|\.\.\.)?/?)")
OURS = re.compile(r"zq[0-9a-f]{16}")


def look(proof: Proof) -> Iterator[Finding]:
    yield from _subject(proof)
    yield from _preheader(proof)
    yield from _controls(proof)
    yield from _date(proof)
    yield from _unfinished(proof)
    yield from _blanks(proof)


def _title_in_html(body: str) -> str:
    """Return the words of a heading as those of a README on GitHub, <h1 align="center">, or ""."""
    found = _H1_IN_HTML.search(body) if "<h1" in body else None
    return shortened(" ".join(re.sub("<[^<>]*>", " ", found[1]).split()), 60) if found else ""


def _subject(proof: Proof) -> Iterator[Finding]:
    subject = proof.rendered.subject
    if not subject.strip():
        words = _title_in_html(proof.issue.body)
        fix = f'write "# {words}" for <h1>, which makes no subject' if words else 'begin with a line "# Title"'
        yield proof.finding_at_title("no-subject", "the issue has no title, so the email has no subject", fix)
        return
    width = display_width(subject)
    if width > WIDEST_SUBJECT:
        yield proof.finding_at_title(
            "subject-long",
            f'the subject is {width} columns wide, and an inbox shows about {WIDEST_SUBJECT}: "{_seen(subject)}…"',
            "shorten the title, or begin with what matters",
        )
    if answers := ANSWER.match(subject):
        yield proof.finding_at_title(
            "subject-shouting",
            f'the subject begins with "{answers[0]}", like a {"forwarded email" if answers["forwards"] else "reply"}',
            "remove it: mailbox providers treat it as a trick",
        )
    elif _shouts(subject):
        capitals = " ".join(re.findall(r"[A-Za-z]+", subject))
        yield proof.finding_at_title(
            "subject-shouting",
            f'the subject is all in capitals ("{shortened(capitals, 40)}"); spam filters penalise that',
            "use lower case too, or ignore this rule if the name is written that way",
        )


def _seen(subject: str) -> str:
    width = 0
    for position, char in enumerate(subject):
        width += display_width(char)
        if width > WIDEST_SUBJECT:
            return subject[:position]
    return subject


def _shouts(subject: str) -> bool:
    """Tell whether SpamAssassin would call it shouting: long enough, more than one word, and all capitals.

    An abbreviation in a subject of another script is none: "周刊（第 12 期）：AI 的下一步".
    """
    letters = re.sub(r"[^A-Za-z]", "", subject)
    others = [char for char in subject if char.isalpha() and "LATIN" not in unicodedata.name(char, "")]
    long_enough = len(subject) >= 10 and bool(re.search(r"\s", subject))
    return len(letters) > max(len(others), 1) and letters.isupper() and long_enough


def _preheader(proof: Proof) -> Iterator[Finding]:
    if not proof.issue.preheader:
        shown = f': "{shortened(proof.rendered.preheader, 40)}"' if proof.rendered.preheader else ""
        yield proof.finding_at_title(
            "preheader-missing",
            f"after the subject, an inbox shows the first text it finds{shown}",
            'add a line "preheader: …" to the front matter',
        )
    elif _bare(proof.rendered.preheader).startswith(_bare(proof.rendered.subject)):
        yield proof.finding_at_title(
            "preheader-repeats",
            "the preheader repeats the subject, and is shown right after it",
            "add what the subject leaves out",
        )


def _bare(words: str) -> str:
    return re.sub(r"[\W_]+", "", words).casefold()


def _controls(proof: Proof) -> Iterator[Finding]:
    """Check subject and preheader: a line break would begin another header, a bidi mark would reverse the text."""
    for name, text in (("subject", proof.rendered.subject), ("preheader", proof.rendered.preheader)):
        # Zl, Zp: line and paragraph separator.
        found = next(
            (c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in "\u202a\u202b\u202d\u202e"), ""
        )
        if found:
            yield proof.finding_at_title(
                "header-control",
                f"the {name} contains the control character U+{ord(found):04X}",
                "remove it, for example by retyping the text",
            )


# ---------------------------------------------------------------- dates


def _date(proof: Proof) -> Iterator[Finding]:
    """Check that the file's name, the front matter and the title name the same day, if they name one."""
    path = proof.issue.path
    of_file = days_in(path.stem) or days_in(path.resolve().parent.name)
    of_front = [
        day
        for line in proof.front_lines
        if re.match(r"\s*[\"']?(date|日期)\b", line, re.IGNORECASE)
        for day in days_in(line)
    ]
    of_title = days_in(proof.issue.title)
    if len(of_file) != 1:
        return
    for name, days in (("the front matter", of_front), ("the title", of_title)):
        if len(days) == 1 and days != of_file:
            yield proof.finding_at_title(
                "date-mismatch",
                f"{name} says {days[0]}, but the file name says {of_file[0]}",
                "correct the one that was left over from the last issue",
            )


# ---------------------------------------------------------------- not finished


def _unfinished(proof: Proof) -> Iterator[Finding]:
    if re.search(r"[:：]\s*$", proof.issue.title):
        yield proof.finding_at_title(
            "unfinished", f'the title ends with "{proof.issue.title.strip()[-1]}"', "finish it, or remove the colon"
        )
    for block, words in _paragraphs(proof):
        for found in to_do(words):
            what = f'"{shortened(found)}" is unfinished text'
            yield proof.finding_in(block, found, "unfinished", what, "write it, or remove it")
    yield from _empty_quotes(proof)


def to_do(words: str) -> list[str]:
    """Return the reminders in a text, each once."""
    return _each([TO_DO], words) if any(sign in words for sign in _SIGNS_OF_TO_DO) else []


def _paragraphs(proof: Proof) -> Iterator[tuple[Token, str]]:
    """Return each paragraph, heading or cell with its text, without code."""
    for token in proof.document.tokens:
        if token.type in ("inline", "html_block"):
            words = plain([child for child in with_code(token.children or []) if child.type != "code_inline"])
            yield token, words


def _empty_quotes(proof: Proof) -> Iterator[Finding]:
    tokens = proof.document.tokens
    for position, token in enumerate(tokens):
        if token.type not in ("blockquote_open", "callout_open"):
            continue
        inside = tokens[position + 1 : closing(tokens, position)]
        words = " ".join(plain(child.children or []) for child in inside if child.type == "inline").strip()
        if _says_nothing(words, inside):
            shown = f' but "{words}"' if words else ""
            yield proof.finding(
                token.map[0] if token.map else 0,
                0,
                "unfinished",
                f"the quote is empty{shown}",
                "fill it, or remove it",
            )


def _says_nothing(words: str, inside: list[Token]) -> bool:
    if any(token.type in ("fence", "code_block", "html_block") or _holds_image(token) for token in inside):
        return False
    return not words or bool(re.fullmatch(r"[^:：]{0,12}[:：]", words))


def _holds_image(token: Token) -> bool:
    return any(child.type == "image" for child in token.children or [])


# ---------------------------------------------------------------- blanks


def _blanks(proof: Proof) -> Iterator[Finding]:
    starred = (
        (token, text)
        for token in proof.document.tokens
        if token.type == "inline"
        for text in _each([STARRED], token.content)
        if not _in_code(token, text)
    )
    for block, words in [(None, proof.issue.title), *_paragraphs(proof), *starred]:
        for blank in _each([BLANK, STARRED], words):
            message = f'"{shortened(blank)}" is an unfilled placeholder'
            fix = _fix_of_blank(blank)
            if block:
                yield proof.finding_in(block, blank, "placeholder-left", message, fix)
            else:
                yield proof.finding_at_title("placeholder-left", message, fix)
    for link in proof.links:
        if BLANK_TARGET.fullmatch(link.target):
            yield proof.finding(
                link.line,
                link.column,
                "placeholder-left",
                f'link "{shortened(link.words, 40)}" leads to "{link.target}", an unfilled placeholder',
                "give the address",
            )
    yield from _ours(proof)


def _fix_of_blank(blank: str) -> str:
    if LEAVES.search(blank):
        return OWN_LINK
    if blank.startswith("%%"):
        return "write what belongs there, or remove it if it is a comment of Obsidian: subscribers would see it"
    return "write what belongs there, or put it in `code` if it should be shown as it is"


def _each(patterns: Iterable[re.Pattern[str]], words: str) -> list[str]:
    """Return what the patterns find, each text once."""
    found = (one[0] for pattern in patterns for one in pattern.finditer(words))
    return list(dict.fromkeys(islice(found, MOST)))


def _in_code(token: Token, text: str) -> bool:
    return any(child.type == "code_inline" and text in child.content for child in with_code(token.children or []))


def _ours(proof: Proof) -> Iterator[Finding]:
    """Report text in the shape of our own placeholders that is neither one of this email nor the editor's."""
    mail = f"{proof.rendered.subject}\n{proof.rendered.preheader}\n{proof.rendered.html}\n{proof.rendered.text}"
    written = f"{proof.issue.source.decode('utf-8-sig', 'replace')}\n{proof.newsletter}"
    for token in sorted(set(OURS.findall(mail)) - set(proof.rendered.placeholders.values())):
        if token not in written:
            yield proof.finding_on_top(
                "placeholder-left",
                f'the email contains the unfilled placeholder "{token}"',
                "use only the placeholders of the email's own template",
            )
