"""Find an issue that is in another language than the email around it says."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from mailer.checks.proofs import Proof
from mailer.config.rules import names
from mailer.content.findings import Finding
from mailer.content.markdown import plain

# Code, name, and the first and last of letters that are written in few other languages.
BY_LETTERS = (
    ("ja", "Japanese", "\u3040", "\u30ff"),
    ("ko", "Korean", "\uac00", "\ud7af"),
    ("zh-hans", "Chinese", "\u4e00", "\u9fff"),
    ("ar", "Arabic", "\u0620", "\u06ff"),
    ("he", "Hebrew", "\u05d0", "\u05ea"),
)
# Further languages in these letters: Persian, Urdu and their neighbours, Yiddish, and those written in Chinese ones.
ALSO = {
    "ar": names("fa ur ps ckb ku sd ug ks pnb pa azb bal glk mzn lrc skr arz ary apc ajp aeb prs pes"),
    "he": names("yi iw ji lad"),
    "zh": names("yue wuu lzh nan hak gan cmn hsn cdo"),
}
FEWEST = 30  # letters of a script that are no quotation
# Japanese has two Chinese characters for each of its own, and names of programs are Latin in every language.
SHARE = {"ja": 0.2}


def look(proof: Proof) -> Iterator[Finding]:
    if proof.issue.language:
        return
    code, name = _written_in(_words(proof))
    around = proof.newsletter.language
    letters, of_newsletter = code.split("-")[0], around.lower().split("-")[0]
    if code and of_newsletter not in {letters, *ALSO.get(letters, ())}:
        what = f'the text is in {name}, but the email around it is in the newsletter\'s language, "{around}"'
        fix = f'add a line "language: {code}" to the front matter, or set language in newsletter.toml for all issues'
        yield proof.finding_on_top("language-other", what, fix)


def _words(proof: Proof) -> str:
    blocks = (token.children or [] for token in proof.document.tokens if token.type == "inline")
    return "".join(plain([child for child in block if child.type != "code_inline"]) for block in blocks)


def _written_in(words: str) -> tuple[str, str]:
    """Return the code and the name of the language that most of the letters are of, if they tell."""
    letters = sum(map(str.isalpha, words)) or 1
    in_order = sorted(words)
    for code, name, first, last in BY_LETTERS:
        found = bisect_right(in_order, last) - bisect_left(in_order, first)
        if found >= FEWEST and found / letters > SHARE.get(code, 0.5):
            return code, name
    return "", ""
