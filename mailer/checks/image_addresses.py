"""Find images whose address shows nothing in an email: it expires, is a web page, or exists in one network only."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from mailer.checks.hosts import host_of, is_local, why_broken
from mailer.checks.images import is_copied
from mailer.checks.links import EXPIRING, SHORT_LIVED_ALONE
from mailer.checks.personal import behind, password_in
from mailer.checks.proofs import Proof, shortened
from mailer.content.findings import Finding
from mailer.content.patterns import lazy

# Hosts whose addresses without such a parameter expire, too.
EXPIRES = lazy(
    r"private-user-images\.|cdn\.discordapp\.(com|net)|media\.discordapp\.net|.*\.(fbcdn\.net|cdninstagram\.com)"
    r"|media\.licdn\.com|prod-files-secure\.|lh\d(-\w+)?\.googleusercontent\.com/docsz/"
)
PERMANENT = ("firebasestorage.googleapis.com",)  # its token stays
# Pages about an image, which browsers show and emails do not. Host and path.
PAGES = lazy(
    r"(github\.com|gitee\.com|huggingface\.co)/.+/blob/.+|git\.sr\.ht/.+/tree/.+|[^/]+/.+/-/blob/.+|bitbucket\.org/[^/]+/[^/]+/src/.+"
    r"|[^/]+/[^/]+/[^/]+/src/(branch|commit|tag)/.+|[^/]+/wiki/(File|Datei|Fichier):.+"
    r"|(www\.)?dropbox\.com/(s|scl)/.+|drive\.google\.com/(file|open).*|(www\.)?imgur\.com/(a/|gallery/)?\w+"
    r"|(www\.)?flickr\.com/photos/.+|unsplash\.com/photos/.+|giphy\.com/gifs/.+|photos\.(app\.goo\.gl|google\.com)/.+"
    r"|youtu\.be/.+|(www\.|m\.)?youtube\.com/(watch|shorts).*|(www\.)?instagram\.com/(p|reel)/.+"
    r"|(www\.)?(twitter|x)\.com/[^/]+/status/.+|1drv\.ms/.+|onedrive\.live\.com/|files\.slack\.com/.+"
    r"|(www\.)?google\.[a-z.]{2,6}/imgres"
    # A document, unless its address is one of a badge, or in that of a picture of it.
    r"|(?!.*(badge|shields\.|https?(:|%3A)))[^/]+/(?!.*\.\w+/).*\.(html?|pdf|docx?)",
    re.IGNORECASE,
)
DOCUMENT = re.compile(r"\.(pdf|docx?)\Z", re.IGNORECASE)
LINKED = "link to it instead, as [words](address), or show an image of it"
ITSELF = ("raw", "dl")  # parameters with which some of these send the file
GITHUB = re.compile(r"https?://github\.com/([^/]+/[^/]+)/blob/([^?#]+)", re.IGNORECASE)


def look(proof: Proof) -> Iterator[Finding]:
    seen = set()
    for picture in proof.pictures:
        if picture.target in seen or is_copied(proof, picture):
            continue
        seen.add(picture.target)
        for rule, message, fix in _one(picture.target):
            yield proof.finding(picture.line, picture.column, rule, message, fix)


def _one(target: str) -> Iterator[tuple[str, str, str]]:
    named = f'image "{shortened(target, 70)}"'
    in_folder = "put the file into the newsletter's folder"
    if why := why_broken(target):
        yield "image-missing", f"{named}: the address {why}", f"correct it, or {in_folder}"
    elif is_local(host_of(target)):
        what = f"{named} is on your machine or in your network, where no subscriber's email program gets"
        yield "image-missing", what, in_folder
    elif (address := behind(target)) is not None:
        fix = f"write {shortened(address, 200)}, or {in_folder}" if address else in_folder
        yield "image-page", f"{named} only leads on, and email clients may not follow it", fix
    elif _is_page(target):
        raw = GITHUB.match(target)
        fix = f"write https://raw.githubusercontent.com/{raw[1]}/{raw[2]}, or {in_folder}" if raw else in_folder
        kind, fix = ("a document", LINKED) if DOCUMENT.search(_path(target)) else ("a web page about the image", fix)
        yield "image-page", f"{named} is {kind}, so the email would show nothing", fix
    elif password_in(target):
        yield "link-private", f"{named} tells every subscriber a password", in_folder
    elif sign := _expiring(target):
        what = f'{named} has "{sign}" in its address, so it stops working soon, in emails already sent too'
        yield "image-expiring", what, in_folder


def _is_page(target: str) -> bool:
    query = dict(parse_qsl(_query(target)))
    sends_file = any(query.get(name, "0").lower() in ("1", "true") for name in ITSELF)
    return bool(PAGES.fullmatch(f"{host_of(target)}{_path(target)}")) and not sends_file


def _expiring(target: str) -> str:
    """Return what in the address says that it expires, "" if nothing does."""
    found = {name.lower() for name, _ in parse_qsl(_query(target), keep_blank_values=True)} & EXPIRING
    if found - SHORT_LIVED_ALONE and host_of(target) not in PERMANENT:
        return min(found)
    return host_of(target) if EXPIRES.match(f"{host_of(target)}{_path(target)}") and _query(target) else ""


def _query(target: str) -> str:
    return _split(target)[1]


def _path(target: str) -> str:
    return _split(target)[0]


def _split(target: str) -> tuple[str, str]:
    try:
        parts = urlsplit(target)
    except ValueError:
        return "", ""
    return parts.path, parts.query
