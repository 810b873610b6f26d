"""Check links as a subscriber meets them: where they lead, whether they will last, and their text."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from mailer.checks.hosts import is_local
from mailer.checks.proofs import Link, Proof, shortened
from mailer.config.rules import names
from mailer.content.findings import Finding

SHORTENERS = names(
    "adf.ly bit.do bit.ly buff.ly cutt.ly dlvr.it dwz.cn fb.me goo.gl git.io ift.tt is.gd j.mp lnkd.in mrw.so ow.ly "
    "rb.gy rebrand.ly reurl.cc s.id shorturl.at sourl.cn suo.im suo.nz t.cn t.co t.ly tiny.cc tinyurl.com trib.al "
    "url.cn v.gd w.url.cn"
)
# Parameters of signed addresses: object stores, content networks, chat programs, one person's session.
EXPIRING = names(
    "access_token api_key apikey auth_key authkey awsaccesskeyid ck_subscriber_id expires goog-expires googleaccessid "
    "jwt key-pair-id mc_eid mkt_tok oauth_token oly_enc_id policy se session sessionid sid sig signature ticket token "
    "x-amz-credential x-amz-expires x-amz-security-token x-amz-signature x-goog-credential x-goog-expires "
    "x-goog-signature x-oss-expires x-oss-signature x-expires x-signature q-signature"
)
SHORT_LIVED_ALONE = names("policy se sid session ticket")  # harmless unless a signature stands beside them
# Text with one of these endings reads as an address; "Node.js", "deci.ai" and "crates.io" are names.
READ_AS_HOSTS = names("com org net gov edu cn de uk jp fr info")
HOST = re.compile(r"(?P<mark>https?://|www\.)?(?P<host>(?:[\w-]+\.)+[A-Za-z]{2,})(?P<rest>[/?#:]\S*)?")
EMPTY = re.compile(r"\[\s*\](?:\([^()]*\)|\[[^\][]*\])|<a\s[^>]{0,1000}>\s*</a>", re.IGNORECASE)
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def look(proof: Proof) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    lines = proof.document.source.split("\n")
    for link in proof.links:
        for rule, message, fix in [*_one(link), *_bare(link, lines[link.line])]:
            # The same mistake twice in one link's address is one mistake.
            if (rule, link.target) not in seen or rule in ("bare-url", "link-mismatch", "link-empty"):
                seen.add((rule, link.target))
                yield proof.finding(link.line, link.column, rule, message, fix)
    yield from _vanished(proof)
    yield from _twice(proof)
    yield from _left_in_page(proof)


def _one(link: Link) -> Iterator[tuple[str, str, str]]:
    """Return (rule, message, fix) for each problem of a link by itself."""
    target = shortened(link.target, 70)
    if link.target and not link.words and not link.holds_image:
        yield "link-empty", f'link to "{target}" has no text to click', "put text between the brackets"
    scheme, host, names = _parts(link.target)
    if scheme == "http" and host and not is_local(host):
        yield (
            "http",
            f'"{target}" is not encrypted',
            "use https:// if the site supports it; `mailer check --fix --links` does",
        )
    if signs := names & EXPIRING - (set() if names & EXPIRING - SHORT_LIVED_ALONE else SHORT_LIVED_ALONE):
        sign = sorted(signs)[0]
        yield (
            "link-expiring",
            f'"{_from_parameter(link.target, sign)}" in the address suggests that it expires, or works only for you',
            "open it, and copy the page's permanent address",
        )
    if host in SHORTENERS:
        yield (
            "link-shortener",
            f'"{target}" hides its target; spam filters distrust {host}',
            "use the address that it leads to",
        )
    shown = _host_in(link.words)
    if shown and host and not _same_site(shown, host):
        yield (
            "link-mismatch",
            f"the text shows {shown}, but the link leads to {host}; that looks like phishing",
            "let both name the same site, or write text instead of an address",
        )


def _bare(link: Link, line: str) -> Iterator[tuple[str, str, str]]:
    """Report an address that stands alone in its line; "Project: https://…" says what it leads to."""
    if not link.bare or len(line) > len(link.target) + 40:
        return
    beside = (line.replace(shown, "", 1) for shown in (link.target, link.words) if shown)
    if not all(re.search(r"[^\W\d_]", words) for words in beside):
        message = f'bare address "{shortened(link.target, 70)}" is all that its line says'
        yield "bare-url", message, "write [text](address), or <address> if the address itself matters"


def _parts(target: str) -> tuple[str, str, set[str]]:
    """Return scheme, host and the names of the parameters, in lower case."""
    try:
        parts = urlsplit(target)
        host = (parts.hostname or "").lower()
        names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)}
    except ValueError:
        return "", "", set()
    return parts.scheme.lower(), host, names if host else set()


def _from_parameter(target: str, name: str) -> str:
    found = re.search(rf"[?&]({re.escape(name)}=[^&]*)", target, re.IGNORECASE)
    return shortened(found[1], 30) if found else name


def _host_in(words: str) -> str:
    """Return the host that the link's text reads as, or ""."""
    found = HOST.fullmatch(words.strip())
    if not found:
        return ""
    host = found["host"].lower().removeprefix("www.")
    return host if found["mark"] or host.rsplit(".", 1)[-1] in READ_AS_HOSTS else ""


def _same_site(one: str, other: str) -> bool:
    one, other = one.removeprefix("www."), other.removeprefix("www.")
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _vanished(proof: Proof) -> Iterator[Finding]:
    """Report links without text that were a whole paragraph: the parser leaves nothing of it."""
    left = {link.line for link in proof.links}
    for token in proof.document.tokens:
        if token.map and token.type in ("inline", "fence", "code_block", "html_block"):
            left.update(range(*token.map))
    source = COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), proof.document.source)
    for number, line in enumerate(source.split("\n")):
        for found in EMPTY.finditer(line) if number not in left else ():
            message = f'link "{shortened(found[0])}" has no text to click, so it is missing from the email'
            yield proof.finding(number, found.start(), "link-empty", message, "give it a text, or remove it")


def _twice(proof: Proof) -> Iterator[Finding]:
    """Report two story titles with the same address: the second was pasted and not changed.

    An image, a title and the text below it may well lead to the same page.
    """
    first: dict[tuple[str, str], Link] = {}
    for link in proof.links:
        if not link.leads or link.bare or link.target.startswith("#") or not link.words or link.holds_image:
            continue
        before = first.setdefault((link.target, link.kind), link)
        if before.words != link.words:
            line = proof.issue.body_line + before.line
            yield proof.finding(
                link.line,
                link.column,
                "link-duplicate",
                f'"{shortened(link.words, 30)}" leads where "{shortened(before.words, 30)}" in line {line} does',
                "give each link its own address",
            )


# ---------------------------------------------------------------- the finished page


def _left_in_page(proof: Proof) -> Iterator[Finding]:
    """Report addresses that came with a template; those of the issue's own text are for the renderer to judge."""
    ours = set(proof.rendered.placeholders.values())
    told = {finding.rule for finding in proof.rendered.findings}
    for element, attribute, address, _ in proof.page.iterlinks():
        is_ours = address.partition("?")[0] in ours  # with ?preferences behind it, too
        if attribute not in ("href", "src", "background", "action") or is_ours or element.tag == "link":
            continue
        rule = _why_left(address)
        if rule and rule not in told:
            told.add(rule)
            yield proof.finding_on_top(
                rule,
                f'the email contains {attribute}="{shortened(address)}", which does not work in an email',
                "use an https address instead, in the issue or in your template",
            )


def _why_left(address: str) -> str:
    compact = re.sub(r"[\x00-\x20]", "", address)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", compact)
    if compact.startswith("#") or (scheme and scheme[1].lower() in ("http", "https", "mailto", "tel", "cid")):
        return ""
    return "unsafe-target" if scheme else "relative-left"
