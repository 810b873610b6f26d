"""Point an issue's links and images at addresses that work in an email, and report those that cannot."""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import urlsplit

from markdown_it.token import Token

from mailer.config.newsletter import Newsletter, NewsletterError
from mailer.content.assets.copies import Copies, address_of_copy
from mailer.content.assets.images import Image, ImageError, read_image
from mailer.content.assets.links import Destinations, LinkError, absolute
from mailer.content.issues import Issue
from mailer.content.markdown import COLUMN, Document, Reference, Remark, plain

WIDEST = COLUMN
NOWHERE: Mapping[str, str] = MappingProxyType({})


def point_links(
    document: Document,
    issue: Issue,
    newsletter: Newsletter,
    archive_url: str,
    sent: Set[str],
    moved: Mapping[str, str] = NOWHERE,
) -> None:
    """Make every href absolute or an anchor of this email; unlink text whose link leads nowhere."""
    folder = PurePosixPath(*issue.path.resolve().parent.relative_to(issue.folder).parts)
    destinations = Destinations(newsletter.source_url, folder, archive_url, frozenset(sent), moved)
    links = list(document.links())
    anchors = document.anchors() if any(link.target.strip().startswith("#") for link in links) else None
    words = _words(document) if any(not link.target.strip() for link in links) else {}
    for link in links:
        target = link.target.strip()
        if "href" not in link.token.attrs:
            continue  # `<a name="x">` is an anchor, not a link
        if "{{" in target or "%7B%7B" in target:
            _unlink(document, link, "liquid", "has an address with a placeholder", "write out the address")
        elif not target:
            pressed = words.get(id(link.token)) or "[]()"
            _unlink(document, link, "link-empty", "has no address", "add one, or remove the brackets", pressed)
        elif target.startswith("#"):
            place = anchors.find(target) if anchors else None
            if place is None:
                fix = "use a heading of this issue, or remove the link"
                _unlink(document, link, "anchor-broken", "points to no heading in this issue", fix)
            else:
                link.token.attrs["href"] = f"#{place}"
        else:
            try:
                link.token.attrs["href"] = absolute(target, destinations)
            except LinkError as error:
                document.remarks.append(Remark(link.line, link.column, error.rule, error.message, error.fix, "error"))
                del link.token.attrs["href"]
    _drop_unlinked(document)


def _words(document: Document) -> dict[int, str]:
    """Return each link's text, by the identity of the token that opens the link."""
    words: dict[int, list[Token]] = {}
    for token in document.tokens:
        inside: list[Token] = []
        for child in token.children or []:
            if child.type == "link_open":
                inside = words[id(child)] = []
            elif child.type == "link_close":
                inside = []
            inside.append(child)
    return {opening: plain(inside).strip() for opening, inside in words.items()}


def _unlink(document: Document, link: Reference, rule: str, why: str, fix: str, named: str = "") -> None:
    message = f'link "{named or link.target}" {why}; its text stays, the link is removed'
    document.remarks.append(Remark(link.line, link.column, rule, message, fix))
    link.token.attrs.pop("href", None)


def _drop_unlinked(document: Document) -> None:
    """Remove the tags of links without an address, and keep their text."""
    for token in document.tokens:
        if not token.children:
            continue
        kept = []
        dropping: list[bool] = []
        for child in token.children:
            if child.type == "link_open":
                dropping.append("href" not in child.attrs)
                if dropping[-1]:
                    continue
            elif child.type == "link_close" and (not dropping or dropping.pop()):
                continue
            kept.append(child)
        token.children = kept


@dataclass(frozen=True)
class Pointed:
    """The images of an issue that must be served, and those that stay at another site though copies were asked for."""

    own: tuple[Image, ...] = ()  # of the newsletter's folder
    copied: Mapping[str, Image] = field(default_factory=dict)  # of other sites, by their address there
    uncopied: Mapping[str, str] = field(default_factory=dict)  # address → why, "" if nobody tried

    def __add__(self, other: "Pointed") -> "Pointed":
        return Pointed(
            without_repeats((*self.own, *other.own)),
            {**self.copied, **other.copied},
            {**self.uncopied, **other.uncopied},
        )


def point_images(document: Document, issue: Issue, media_url: str, copies: Copies | None = None) -> Pointed:
    """Make every src an address of the web or one of ours, with a width; return what must be served.

    An image that cannot be shown becomes its alt text.
    """
    own: list[Image] = []
    copied: dict[str, Image] = {}
    uncopied: dict[str, str] = {}
    for reference in list(document.images()):
        target = reference.target.strip()
        try:
            if not _scheme(target):
                image = read_image(target, issue.path.resolve().parent, issue.folder)
                own.append(image)
                _point_own(reference.token, image, media_url)
            elif copy := _copy(target, copies, uncopied):
                copied[address_of_copy(target)] = copy
                _point_own(reference.token, copy, media_url)
            else:
                _point_remote(reference)
        except (ImageError, LinkError) as error:
            document.remarks.append(
                Remark(reference.line, reference.column, error.rule, error.message, error.fix, "error")
            )
            _show_alt(reference.token)
    return Pointed(without_repeats(own), copied, uncopied)


def _copy(target: str, copies: Copies | None, uncopied: dict[str, str]) -> Image | None:
    """Return the copy of a remote image; note in `uncopied` that it has none yet. Raises `ImageError`."""
    address = address_of_copy(target) if copies else ""
    if not copies or not address:
        return None
    image = copies.find(address)
    if image is None:
        uncopied[address] = copies.why_not(address)
    return image


def _show_alt(token: Token) -> None:
    token.type, token.tag, token.content, token.attrs = "text", "", plain(token.children or []), {}
    token.children = None


def _point_own(token: Token, image: Image, media_url: str) -> None:
    given, height = int(token.attrs.get("width") or 0), int(token.attrs.get("height") or 0)
    given = given or (round(image.width * height / image.height) if height else WIDEST)
    if zoom := float(token.meta.get("zoom", 0)):
        given = round((int(token.attrs.get("width") or 0) or image.natural_width) * zoom)
    width = min(image.width // image.density, WIDEST, given) or 1
    token.attrs["src"] = address_of(image, media_url)
    token.attrs["width"] = width
    token.attrs["height"] = max(1, round(image.height * width / image.width))


def address_of(image: Image, media_url: str) -> str:
    return f"{media_url}{image.name}"


def _scheme(target: str) -> str:
    if target.startswith("//"):
        return "https"
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", re.sub(r"[\x00-\x20]", "", target))
    return found[1].lower() if found else ""


def _point_remote(reference: Reference) -> None:
    target = f"https:{reference.target}" if reference.target.startswith("//") else reference.target
    if _scheme(target) not in ("http", "https"):
        fix = "put the file into the newsletter's folder, or give an https address"
        if _scheme(target) == "data":
            raise ImageError("email clients show no image that is written into the text (data:)", fix, "unsafe-target")
        what = f'image needs an address that email clients can reach, got "{target[:80]}"'
        raise ImageError(what, fix, "unsafe-target")
    reference.token.attrs["src"] = absolute(target, Destinations())
    # How wide the image itself is, nobody knows here: most are as wide as the column, or wider.
    zoom = float(reference.token.meta.get("zoom", 1))
    reference.token.attrs["width"] = max(1, min(round(_remote_width(reference) * zoom), WIDEST))
    reference.token.attrs.pop("height", None)


def _remote_width(reference: Reference) -> int:
    """Return the width that the editor gave, else the file name's (badge-88x31.png), else that of the column."""
    given = int(reference.token.attrs.get("width") or 0)
    if given:
        return min(given, WIDEST)
    named = re.search(r"(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)", urlsplit(reference.target).path)
    return max(1, min(int(named[1]), WIDEST)) if named else WIDEST


@dataclass(frozen=True)
class Logo:
    address: str = ""  # "" for none
    pointed: Pointed = field(default_factory=Pointed)


def read_logo(newsletter: Newsletter, media_url: str, copies: Copies | None = None) -> Logo:
    """Return the newsletter's logo, from its own folder or an https address. Raises `NewsletterError`."""
    logo = newsletter.logo
    if not logo:
        return Logo()
    try:
        if _scheme(logo) == "https":
            uncopied: dict[str, str] = {}
            copy = _copy(logo, copies, uncopied)
            return (
                Logo(address_of(copy, media_url), Pointed(copied={address_of_copy(logo): copy}))
                if copy
                else Logo(logo, Pointed(uncopied=uncopied))
            )
        image = read_image(logo, newsletter.folder, newsletter.folder)
    except ImageError as error:
        raise NewsletterError(
            f"{newsletter.folder / 'newsletter.toml'} logo of {newsletter.label}: {error.message}; {error.fix}"
        ) from None
    return Logo(address_of(image, media_url), Pointed(own=(image,)))


def without_repeats(images: Iterable[Image]) -> tuple[Image, ...]:
    """Return each image once, in the order of first use."""
    return tuple({image.sha256: image for image in images}.values())
