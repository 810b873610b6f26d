"""Links and images of an issue are pointed at addresses that work in a mail, or the editor hears which one cannot."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from mailer.issues import Issue
from mailer.markup import Document, Reference, Remark, plain
from mailer.newsletter import Newsletter, NewsletterError
from mailer.pointing.images import Image, ImageError, read_image
from mailer.pointing.links import LinkError, absolute

WIDEST = 576  # pixels between the margins of a card
UNKNOWN_WIDTH = 560


def point_links(document: Document, issue: Issue, newsletter: Newsletter) -> None:
    """Every href is absolute; a link that can lead nowhere is its words only."""
    place = PurePosixPath(*issue.path.resolve().parent.relative_to(issue.folder).parts)
    notes = {f"#note-{number}" for number in range(1, 1000)}
    for link in list(document.links()):
        target = link.target.strip()
        if not target or target.startswith("#") or "{{" in target or "%7B%7B" in target:
            if target not in notes:
                _unlink(document, link)
            continue
        try:
            link.token.attrs["href"] = absolute(target, newsletter.source_url, place)
        except LinkError as error:
            raise issue.error(link.line, link.column + 1, error.message, error.fix) from None
    _drop_unlinked(document)


def _unlink(document: Document, link: Reference) -> None:
    why = {"": "has no address", "#": "points into this very mail"}.get(
        link.target[:1], "has an address to be filled in"
    )
    document.remarks.append(
        Remark(link.line, link.column, f'link "{link.target}" {why}; its words stay, the link goes')
    )
    del link.token.attrs["href"]


def _drop_unlinked(document: Document) -> None:
    """A link without an address loses its tags and keeps its words."""
    for token in document.tokens:
        kept = []
        dropping: list[bool] = []
        for child in token.children or []:
            if child.type == "link_open":
                dropping.append("href" not in child.attrs)
                if dropping[-1]:
                    continue
            elif child.type == "link_close" and (not dropping or dropping.pop()):
                continue
            kept.append(child)
        token.children = kept if token.children is not None else None


def point_images(document: Document, issue: Issue, base_url: str) -> tuple[Image, ...]:
    """Every src is an https address or one of ours, with a width; the images that must be served there."""
    used: dict[str, Image] = {}
    for reference in list(document.images()):
        token, target = reference.token, reference.target.strip()
        if _scheme(target):
            token.attrs["src"] = _remote(reference, issue)
            token.attrs["width"] = _remote_width(document, reference)
            token.attrs.pop("height", None)
            continue
        try:
            image = read_image(target, issue.path.resolve().parent, issue.folder)
        except ImageError as error:
            raise issue.error(reference.line, reference.column + 1, error.message, error.fix) from None
        width = min(image.width, WIDEST, int(token.attrs.get("width") or WIDEST))
        token.attrs["src"] = address_of(image, base_url)
        token.attrs["width"] = width
        token.attrs["height"] = max(1, round(image.height * width / image.width))
        used[image.sha256] = image
    return tuple(used.values())


def address_of(image: Image, base_url: str) -> str:
    return f"{base_url}/media/{image.name}"


def _scheme(target: str) -> str:
    if target.startswith("//"):
        return "https"
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", re.sub(r"[\x00-\x20]", "", target))
    return found[1].lower() if found else ""


def _remote(reference: Reference, issue: Issue) -> str:
    target = f"https:{reference.target}" if reference.target.startswith("//") else reference.target
    if _scheme(target) != "https":
        raise issue.error(
            reference.line,
            reference.column + 1,
            f'image needs an address that mail clients can reach, got "{target[:80]}"',
            "put the file into the newsletter's folder, or give an https address",
        )
    try:
        return absolute(target, "", PurePosixPath())
    except LinkError as error:
        raise issue.error(reference.line, reference.column + 1, error.message, error.fix) from None


def _remote_width(document: Document, reference: Reference) -> int:
    """As the editor said, else as the file's name says (badge-88x31.png), else nearly the whole card."""
    given = int(reference.token.attrs.get("width") or 0)
    if given:
        return min(given, WIDEST)
    named = re.search(r"(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)", urlsplit(reference.target).path)
    if named:
        return min(int(named[1]), WIDEST)
    alt = plain(reference.token.children or [])
    document.remarks.append(
        Remark(
            reference.line, reference.column, f'image "{alt}" from another site has no width; {UNKNOWN_WIDTH} is taken'
        )
    )
    return UNKNOWN_WIDTH


@dataclass(frozen=True)
class Logo:
    address: str  # "" for none
    images: tuple[Image, ...]


def read_logo(newsletter: Newsletter, issue: Issue, base_url: str) -> Logo:
    """The newsletter's logo, from its own folder or an https address. Raises `NewsletterError`."""
    if not newsletter.logo:
        return Logo("", ())
    if _scheme(newsletter.logo) == "https":
        return Logo(newsletter.logo, ())
    try:
        image = read_image(newsletter.logo, newsletter.folder, newsletter.folder)
    except ImageError as error:
        raise NewsletterError(
            f"{newsletter.folder / 'newsletter.toml'} logo of {newsletter.label}: {error.message}; {error.fix}"
        ) from None
    return Logo(address_of(image, base_url), (image,))
