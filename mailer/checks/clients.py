"""Tell which features of HTML and CSS an email uses, and which mail clients show them, by the data of caniemail.com."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from mailer.checks.proofs import Proof
from mailer.config.rules import names
from mailer.content.findings import Finding

DATA = Path(__file__).with_name("caniemail.json")
MAIN = ("gmail/desktop-webmail", "gmail/android", "apple-mail/ios", "outlook/windows", "outlook/outlook-com")

# If two main clients lack one of these, the page looks wrong. Without all other CSS, such as round corners and dark
# colours, they show a page that is plainer and still right.
STANDS_OUT = names(
    "css-at-font-face css-at-import css-at-keyframes css-animation css-background-image css-clip-path "
    "css-column-count css-conic-gradient css-display-flex css-display-grid css-filter css-float css-function-clamp "
    "css-function-light-dark css-function-max css-function-min css-gap css-grid-template css-left-right-top-bottom "
    "css-linear-gradient css-mask-image css-mix-blend-mode css-modern-color css-nesting css-opacity css-position "
    "css-pseudo-element-after css-pseudo-element-before css-radial-gradient css-text-shadow css-transform "
    "css-transition css-variables css-writing-mode css-z-index"
)
# The reverse for HTML: lacking these does no harm; lacking any other element does.
HARMLESS_HTML = names(
    "html-aria-describedby html-aria-hidden html-aria-label html-aria-labelledby html-aria-live html-comments "
    "html-doctype html-lang html-loading-attribute html-meta-color-scheme html-role html-target html-abbr "
    "html-acronym html-body html-style html-anchor-links html-semantics html-del html-dfn html-bdi html-wbr html-ruby "
    "html-rt html-rp"
)


@dataclass(frozen=True)
class Feature:
    slug: str
    title: str
    support: Mapping[str, str]  # client → y, a, n or u


@cache
def features() -> dict[str, Feature]:
    """Return everything that caniemail knows, by its slug."""
    data = json.loads(DATA.read_text(encoding="utf-8"))
    clients = data["clients"]
    return {
        slug: Feature(slug, title, dict(zip(clients, letters, strict=True)))
        for slug, (title, letters) in data["features"].items()
    }


def look(proof: Proof) -> Iterator[Finding]:
    known = features()
    for slug in sorted(slugs_in(proof.page)):
        feature = known.get(slug)
        if feature is None or not _stands_out(slug):
            continue
        without = [client for client in MAIN if feature.support.get(client) == "n"]
        # An image that one client does not show is a hole; anything else must be missing in two.
        if len(without) >= (1 if slug.startswith("image-") else 2):
            yield _finding(proof, feature, without)


def _stands_out(slug: str) -> bool:
    if slug.startswith("css-"):
        return slug in STANDS_OUT
    return slug not in HARMLESS_HTML


def _finding(proof: Proof, feature: Feature, without: list[str]) -> Finding:
    names = ", ".join(_NAMES[client] for client in without)
    message = f"{feature.title} is not supported by {names}"
    if feature.slug.startswith("image-"):
        kind = feature.slug.removeprefix("image-")
        for picture in proof.pictures:
            if _extension(picture.target) == kind:
                fix = "save the image as PNG in the newsletter's folder"
                return proof.finding(picture.line, picture.column, "client-support", message, fix)
    fix = "remove it from the issue's HTML or from your template"
    return proof.finding_on_top("client-support", message, fix)


_NAMES = {
    "gmail/desktop-webmail": "Gmail",
    "gmail/android": "Gmail on Android",
    "apple-mail/ios": "Apple Mail",
    "outlook/windows": "Outlook on Windows",
    "outlook/outlook-com": "Outlook.com",
}

# ---------------------------------------------------------------- what a mail uses


def slugs_in(tree: Any) -> set[str]:
    """Return caniemail's slugs of what the page uses; what only Outlook's Word engine reads is not counted."""
    used = (
        {"html-doctype"} if (tree.getroottree().docinfo.doctype or "").lower().startswith("<!doctype html") else set()
    )
    declarations: set[str] = set()
    for element in tree.iter():
        if not isinstance(element.tag, str):
            used.add("html-comments")
            continue
        used |= _of_element(element)
        if style := element.get("style"):
            declarations.add(style)
        if element.tag == "style":
            used |= _of_sheet(element.text or "")
            if media := element.get("media"):
                used |= _of_at_rule(f"@media {media}")
    for style in declarations:
        used |= _of_declarations(style)
    return used


def _of_element(element: Any) -> set[str]:
    used: set[str] = set()
    if slug := _ELEMENTS.get(element.tag):
        used.add(slug)
    for name in element.attrib:
        if slug := _ATTRIBUTES.get(name):
            used.add(slug)
    if element.tag == "a":
        href = element.get("href") or ""
        used |= {"html-anchor-links"} if href.startswith("#") else set()
        used |= {"html-mailto-links"} if href.lower().startswith("mailto:") else set()
    elif element.tag == "img":
        source = element.get("src") or ""
        used.add("image-base64" if source.startswith("data:") else f"image-{_extension(source)}")
    elif element.tag in ("input", "button"):
        used.add(f"html-{element.tag}-{element.get('type', 'submit' if element.tag == 'button' else 'text').lower()}")
    elif element.tag == "meta" and (element.get("name") or "").lower() == "color-scheme":
        used.add("html-meta-color-scheme")
    return used


def _extension(address: str) -> str:
    try:
        extension = PurePosixPath(urlsplit(address).path).suffix.lower().removeprefix(".")
    except ValueError:
        return ""
    return {"jpeg": "jpg", "tif": "tiff", "heic": "heif"}.get(extension, extension)


_ELEMENTS = {
    **{
        name: f"html-{name}"
        for name in names(
            "abbr acronym address audio base bdi blockquote body code del dfn dialog div form hr img link marquee "
            "meter object p picture pre progress rp rt ruby select small span strike strong style svg table textarea "
            "video wbr"
        )
    },
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "html-h1-h6"),
    **dict.fromkeys(("ul", "ol", "dl"), "html-lists"),
    **dict.fromkeys(
        names("article aside details figcaption figure footer header main mark nav section summary time"),
        "html-semantics",
    ),
    "map": "html-image-maps",
}
_ATTRIBUTES = {
    **{
        name: f"html-{name}"
        for name in names(
            "align aria-describedby aria-hidden aria-label aria-labelledby aria-live background cellpadding "
            "cellspacing dir height hidden lang popover required role target valign width"
        )
    },
    "loading": "html-loading-attribute",
    "srcset": "html-srcset",
    "sizes": "html-srcset",
}

# ---------------------------------------------------------------- CSS

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"(?<![^{};])([^{};]*)\{([^{}]*)\}")  # from the beginning of a rule on
# Decoration of our own that an email is right without: the shadow beside a table that goes on.
_DECORATION = (".wide",)


def _of_sheet(sheet: str) -> set[str]:
    """Parse well enough for the sheets that an email holds: rules, and at-rules with rules inside."""
    used = {"css-comments"} if _COMMENT.search(sheet) else set()
    sheet = _COMMENT.sub("", sheet)
    for rule in re.findall(r"@[\w-]+[^{;]*", sheet):
        used |= _of_at_rule(rule)
    for selector, body in _RULE.findall(sheet):
        if selector.strip() in _DECORATION:
            continue
        if not selector.strip().startswith("@"):
            used |= _of_selector(selector.strip())
        used |= _of_declarations(body)
    return used


def _of_at_rule(rule: str) -> set[str]:
    used = {f"css-at-{rule[1:].split()[0].split('(')[0].lower()}"}
    if rule.lower().startswith("@media"):
        for feature, slug in _MEDIA.items():
            if feature in rule:
                used.add(slug)
    return used


_MEDIA = {
    "prefers-color-scheme": "css-at-media-prefers-color-scheme",
    "prefers-reduced-motion": "css-at-media-prefers-reduced-motion",
    "orientation": "css-at-media-orientation",
    "hover": "css-at-media-hover",
    "device-pixel-ratio": "css-at-media-device-pixel-ratio",
}


def _of_selector(selector: str) -> set[str]:
    used = {"css-selector-grouping"} if "," in selector else set()
    for one in selector.split(","):
        one = one.strip()
        bare = re.sub(r"\[[^\[\]]*\]", "", one)
        for pattern, slug in _SELECTORS:
            if re.search(pattern, one if pattern.startswith(r"\[") else bare):
                used.add(slug)
        for name in re.findall(r"::?([a-z-]+)", bare):
            used |= {slug for slug in (f"css-pseudo-class-{name}", f"css-pseudo-element-{name}") if slug in features()}
    return used


_SELECTORS = (
    (r"\[", "css-selector-attribute"),
    (r"(^|[\s>+~])[a-zA-Z]", "css-selector-type"),
    (r"\.", "css-selector-class"),
    (r"#", "css-selector-id"),
    (r"\.[\w-]+\.", "css-selector-chaining"),
    (r"[\w)*]\s+[\w.#:*]", "css-selector-descendant"),
    (r">", "css-selector-child"),
    (r"\+", "css-selector-adjacent-sibling"),
    (r"~", "css-selector-general-sibling"),
    (r"\*", "css-selector-universal"),
)


def _of_declarations(body: str) -> set[str]:
    used: set[str] = set()
    for declaration in body.split(";"):
        name, colon, value = declaration.partition(":")
        name, value = name.strip().lower(), value.strip().lower()
        if colon and name:
            used |= _of_property(name, value)
            used |= _of_value(value)
    return used


def _of_property(name: str, value: str) -> set[str]:
    if name.startswith("--"):
        return {"css-variables"}
    used = {_PROPERTIES.get(name, f"css-{name}")}
    for group in ("border", "margin", "padding"):
        # Their long forms, but not those that caniemail tells apart.
        if name.startswith(f"{group}-") and f"css-{name}" not in features() and name not in _PROPERTIES:
            used.add(f"css-{group}")
    if name == "display" and value.split("!")[0].strip() in ("flex", "grid", "none"):
        used.add(f"css-display-{value.split('!')[0].strip()}")
    return used


_PROPERTIES = {
    **dict.fromkeys(("left", "right", "top", "bottom"), "css-left-right-top-bottom"),
    **dict.fromkeys(("gap", "column-gap", "row-gap"), "css-gap"),
    **dict.fromkeys(("grid-template-columns", "grid-template-rows", "grid-template-areas"), "css-grid-template"),
    **dict.fromkeys(("block-size", "inline-size"), "css-block-inline-size"),
    **dict.fromkeys(("margin-inline", "margin-block"), "css-margin-inline-block"),
    **dict.fromkeys(("padding-inline", "padding-block"), "css-padding-inline-block"),
}


def _of_value(value: str) -> set[str]:
    used = {"css-important"} if "!important" in value else set()
    value = re.sub(r"'[^']*'|\"[^\"]*\"|url\([^)]*\)|#[0-9a-f]+", "", value)
    for name in re.findall(r"(?<![a-z-])([a-z-]+)\(", value):
        used.add(_FUNCTIONS.get(name, f"css-{name}"))
    for unit in re.findall(r"\d(%|[a-z]+)", value):
        used.add("css-unit-percent" if unit == "%" else f"css-unit-{unit}")
    if "initial" in value.split():
        used.add("css-unit-initial")
    if re.search(r"\b(system-ui|ui-(serif|sans-serif|rounded|monospace))\b", value):
        used.add("css-sytem-ui")
    return used


_FUNCTIONS = {
    "calc": "css-unit-calc",
    "var": "css-variables",
    "min": "css-function-min",
    "max": "css-function-max",
    "clamp": "css-function-clamp",
    "light-dark": "css-function-light-dark",
    **dict.fromkeys(("lch", "oklch", "lab", "oklab"), "css-modern-color"),
}
