"""Check what subscribers who do not see an image get, its alt text, and whose servers the images come from."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from mailer.checks.hosts import host_of, is_local
from mailer.checks.proofs import ImageReference, Proof, shortened
from mailer.content.assets.copies import address_of_copy
from mailer.content.findings import Finding

FILE_NAME = re.compile(r".*\.(png|jpe?g|gif|webp|svg|bmp|avif|heic)", re.IGNORECASE)
# What cameras, phones and programs call an image, and what templates and editors leave behind.
NOBODYS_WORDS = re.compile(
    r"(img|dsc[nf]?|dcim|pxl|mvimg|image|picture|photo|pic|screen ?shot|bild|图片|截图|微信图片|untitled|null|undefined"
    r"|alt([ _-]?text)?|(enter )?image description( here)?|(图片)?描述|(insert|add|your) (image|alt text)( here)?)"
    r"([\s_.-]*\d[\d\s_.-]*)?",
    re.IGNORECASE,
)


MOST_HOSTS = 3  # that a message names


def look(proof: Proof) -> Iterator[Finding]:
    yield from _without_words(proof)
    yield from _unencrypted(proof)
    if proof.newsletter.remote_images == "copy":
        yield from _uncopied(proof)
    # An image in the editor's own network is told as missing, and nobody could copy it.
    elif sources := [source for source in remote_sources(proof) if not is_local(host_of(source))]:
        yield _remote(proof, sources)


def _uncopied(proof: Proof) -> Iterator[Finding]:
    """Report once what has one reason: offline, all images of all sites have the same."""
    by_reason: dict[str, list[str]] = {}
    for address, reason in proof.rendered.uncopied.items():
        by_reason.setdefault(reason, []).append(address)
    for reason, addresses in by_reason.items():
        which = f"{_counted(addresses)} from {_hosts(addresses)} not copied" + (f": {reason}" if reason else " yet")
        fix = "the email loads it from there; try again, or put the file into the newsletter's folder"
        if not reason:
            fix = "`mailer preview` and `mailer send` copy what is missing; until then the email loads it from there"
        yield proof.finding(*_first(proof, addresses), "image-uncopied", which, fix)


def _counted(addresses: list[str]) -> str:
    return "an image" if len(addresses) == 1 else f"{len(addresses)} images"


def _unencrypted(proof: Proof) -> Iterator[Finding]:
    for picture in proof.pictures:
        if is_copied(proof, picture) or is_local(host_of(picture.target)):
            continue
        if re.match("http:", picture.target, re.IGNORECASE):
            message = f'image "{shortened(picture.target, 60)}" is not encrypted; many email clients do not load it'
            fix = "use https:// if the site supports it, or put the file into the newsletter's folder"
            yield proof.finding(picture.line, picture.column, "image-http", message, fix)


def is_copied(proof: Proof, picture: ImageReference) -> bool:
    """Tell whether the email shows a copy, so that the image's own address matters no longer."""
    return bool(proof.rendered.copied) and address_of_copy(picture.target) in proof.rendered.copied


def remote_sources(proof: Proof) -> list[str]:
    """Return the addresses of the finished email's images that are not served from here, each once, in order."""
    own = {image.name for image in proof.rendered.images}
    sources = dict.fromkeys(str(image.get("src") or "") for image in proof.page.iter("img"))
    return [one for one in sources if re.match("https?:", one, re.IGNORECASE) and one.rpartition("/")[2] not in own]


def _remote(proof: Proof, sources: list[str]) -> Finding:
    message = (
        f"each opening of the email loads {_counted(sources)} from {_hosts(sources)}: that site learns of it, and if "
        "the file goes, so does the image"
    )
    fix = 'write remote_images = "copy" into newsletter.toml, or put the files into the newsletter\'s folder'
    return proof.finding(*_first(proof, sources), "image-remote", message, fix)


def _hosts(sources: list[str]) -> str:
    hosts = list(dict.fromkeys(urlsplit(source).hostname or source for source in sources))
    shown = ", ".join(shortened(host) for host in hosts[:MOST_HOSTS])
    return f"{shown} and {len(hosts) - MOST_HOSTS} more" if len(hosts) > MOST_HOSTS else shown


def _first(proof: Proof, sources: list[str]) -> tuple[int, int]:
    """Return where the first of them is written; the top of the file if no line of the issue names it."""
    plain = {source.partition("#")[0] for source in sources}
    for picture in proof.pictures:
        if address_of_copy(picture.target) in plain:
            return picture.line, picture.column
    return 1 - proof.issue.body_line, 0


def _without_words(proof: Proof) -> Iterator[Finding]:
    for picture in proof.pictures:
        alt = picture.alt.strip()
        if not re.search(r"\w|[^\x00-\u2fff]", alt):
            yield proof.finding(
                picture.line,
                picture.column,
                "alt-missing",
                f'image "{shortened(picture.target, 40)}" has no text for readers who cannot see it',
                "describe the image between the brackets: ![…](…)",
            )
        elif _is_file_name(picture, alt):
            yield proof.finding(
                picture.line,
                picture.column,
                "alt-filename",
                f'"{shortened(alt)}" {_instead(alt)}, not a description of the image',
                "describe what a reader would miss without it",
            )


def _instead(alt: str) -> str:
    is_template = NOBODYS_WORDS.fullmatch(alt) and not re.search(r"\d", alt)
    return "is what any image could be called" if is_template else "looks like a file name"


def _is_file_name(picture: ImageReference, alt: str) -> bool:
    name = PurePosixPath(unquote(picture.target.split("?")[0].split("#")[0]))
    # A name of one plain word ("Quantization") may well be the best description there is.
    is_stem = _bare(alt) == _bare(name.stem) and bool(re.search(r"[\d_]|-", alt) or alt == alt.lower())
    return bool(FILE_NAME.fullmatch(alt) or NOBODYS_WORDS.fullmatch(alt)) or (is_stem and " " not in alt)


def _bare(words: str) -> str:
    return re.sub(r"[\W_]+", "", words).casefold()
