"""Render an `Issue`: subject, HTML, text and images, complete but for each subscriber's own links.

The stages, in order: Markdown to tokens; links and images pointed at addresses that work in an email; sections to safe
HTML with styles inlined; the MJML template with slots; the slots filled; and a check that nothing got lost.
"""

import gc
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from html import escape
from urllib.parse import quote

from django.template.loader import get_template, render_to_string
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext
from markdown_it.token import Token

from mailer.config.newsletter import Newsletter
from mailer.content.assets import NOWHERE, point_images, point_links, read_logo, without_repeats
from mailer.content.assets.copies import Copies
from mailer.content.assets.images import Image
from mailer.content.colours import palette
from mailer.content.findings import Finding
from mailer.content.inlining import inline_styles
from mailer.content.issues import Issue
from mailer.content.markdown import (
    RIGHT_TO_LEFT,
    STRUCK,
    BackIssue,
    Direction,
    Document,
    MarkupError,
    Numbers,
    Section,
    begins_with_place,
    direction_of,
    display_width,
    empty_sections,
    in_short_lines,
    inline_to_html,
    inline_to_text,
    isolate,
    lost_words_or_links,
    mark_directions,
    needs_contents,
    parse,
    plain,
    split,
    to_html,
    to_text,
)
from mailer.content.mjml import Slots
from mailer.content.titles import without_name
from subscribers.languages import direction, language_tag, supported

LARGEST = 102_400  # bytes; Gmail clips what is longer, and with it the unsubscribe link
LINK_GROWTH = 200  # bytes by which a subscriber's own unsubscribe link is longer than its placeholder
PREHEADER = 110  # characters that an inbox shows at most
# Keeps the inbox from showing the text that follows. A raw U+034F also keeps clients from guessing another charset.
PADDING = "\u034f\u200c\u00a0" * 60


@dataclass(frozen=True)
class RenderedIssue:
    slug: str
    language: str
    subject: str
    preheader: str
    html: str
    text: str
    article: str  # the content alone, as an HTML fragment without styles
    images: tuple[Image, ...]
    placeholders: Mapping[str, str]  # what stands in html and text for each subscriber's own address
    source_sha256: str  # the issue's bytes and those of the images in the newsletter's folder that it uses
    content_sha256: str  # subject, html and text
    day: date | None = None  # as the issue itself says
    number: str = ""
    findings: tuple[Finding, ...] = ()  # what an editor should know of; sorted
    media_url: str = ""  # where subscribers load `images` from; ends in "/"
    copied: frozenset[str] = frozenset()  # addresses of remote images of which `images` has copies
    uncopied: Mapping[str, str] = field(default_factory=dict)  # remote images still to be copied: address → why not


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Pause garbage collection in the block: it took a tenth of the time of a long issue, and found nothing.

    Tokens are thousands of objects that all live until the end, and hold no cycles, so they do without it.
    """
    # The thread that turned it off turns it on: of threads that render at once, the last to end leaves it on.
    collects = gc.isenabled()
    if collects:
        gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@_collecting_later()
def render_issue(
    issue: Issue,
    newsletter: Newsletter,
    *,
    base_url: str,
    sent_slugs: frozenset[str] = frozenset(),
    moved: Mapping[str, str] = NOWHERE,
    archive_url: str = "",
    back_issues: Sequence[BackIssue] = (),
    copies: Copies | None = None,
) -> RenderedIssue:
    """Return the issue as its subscribers get it; the same bytes for the same input.

    `sent_slugs` are issues of this newsletter with a page in its archive at `archive_url` (ends in "/"; default
    base_url/archive/), for links between issues; `moved` has slugs of them by what else links call the issues, as an
    address on a former site; `back_issues`, newest first, are listed if the issue asks for it;
    `copies` stand for images of other sites. What cannot be shown is left out and reported in `findings`. Raises
    `IssueError` if nothing can be rendered at all, and `NewsletterError` for a logo that cannot be used.
    """
    language = issue.language or newsletter.language
    archive_url = archive_url or f"{base_url}/archive/"
    document = _parse(issue, back_issues)
    point_links(document, issue, newsletter, archive_url, sent_slugs, moved)
    media_url = newsletter.media_url or f"{base_url}/media/"
    logo = read_logo(newsletter, media_url, copies)
    images = point_images(document, issue, media_url, copies) + logo.pointed
    sections = split(document.tokens, issue.title)
    around = direction(language)
    if around == "rtl" or RIGHT_TO_LEFT.search(issue.body):
        for section in sections:
            mark_directions(section.tokens, around)
    placeholders = {"unsubscribe": _placeholder("unsubscribe", issue, newsletter)}
    with translation.override(supported(language)):
        bodies = tuple(_heading(section, around) + to_html(section.tokens) for section in sections)
        mail = _Mail(issue, newsletter, language, sections, bodies, placeholders, logo.address, archive_url)
        subject, preheader, text = mail.subject(), mail.preheader(), mail.text()
        html = mail.html(preheader)
    found = (*issue.findings, *_told(document, issue), *_missing(html, issue, sections))
    return RenderedIssue(
        slug=issue.slug,
        language=language,
        subject=subject,
        preheader=preheader,
        html=html,
        text=text,
        article="\n".join(f"<section>{body}</section>" for body in bodies),
        images=without_repeats((*images.own, *images.copied.values())),
        placeholders=placeholders,
        source_sha256=_sha256(issue.source, *(image.content for image in images.own)),
        content_sha256=_sha256(subject.encode(), html.encode(), text.encode()),
        day=issue.date,
        number=issue.number,
        findings=tuple(sorted(set(found))),
        media_url=media_url,
        copied=frozenset(images.copied),
        uncopied=images.uncopied,
    )


def _parse(issue: Issue, back_issues: Sequence[BackIssue]) -> Document:
    try:
        return parse(issue.body, back_issues)
    except MarkupError as error:
        raise issue.error(error.line, error.rule, error.message, error.fix) from None


def _placeholder(name: str, issue: Issue, newsletter: Newsletter) -> str:
    """Return a word that occurs nowhere in the email.

    It is made from the source, so that the same source gives the same hash.
    """
    around = f"{issue.body}{issue.title}{issue.preheader}{newsletter}"
    salt = 0
    while True:
        token = "zq" + _sha256(issue.source, name.encode(), str(salt).encode())[:16]
        if token not in around:
            return token
        salt += 1


def _sha256(*parts: bytes) -> str:
    """Hash each part with its length before it, so that text cannot move from one part into the next."""
    return hashlib.sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).hexdigest()


def _heading(section: Section, around: Direction) -> str:
    anchor = f' id="{escape(section.anchor)}"' if section.anchor else ""
    own = direction_of(section.title, around)
    # It stays on the side of the bar above it.
    words = isolate(section.heading, own) if own != around else section.heading
    return f"<h2{anchor}>{inline_to_html(words)}</h2>" if section.title else ""


def _bar(section: Section) -> str:
    return '<div class="bar">&#8202;</div>' if section.title else ""


def _told(document: Document, issue: Issue) -> Iterator[Finding]:
    """Report what parsing and resolving addresses had to leave out."""
    for remark in document.remarks:
        yield issue.finding(remark.line, remark.column, remark.rule, remark.severity, remark.message, remark.fix)
    for heading, words in empty_sections(document.tokens, issue.title):
        line, below = heading.map or (0, 0)
        if issue.welcome and begins_with_place(issue.body, below):
            continue  # workers fill it as soon as an issue was sent
        what = f'section "{words}" has no text and is left out'
        yield issue.finding(line, 0, "section-empty", "warning", what, "write something below it, or remove it")


def _missing(html: str, issue: Issue, sections: tuple[Section, ...]) -> Iterator[Finding]:
    """Report what the email as a whole lacks, or has too much of."""
    if not sections:
        yield issue.finding(0, 0, "empty-body", "error", "the issue has no text", "write something below its title")
    lost = lost_words_or_links(html, sections)
    if lost:
        shown = lost.text if len(lost.text) <= 60 else f"{lost.text[:59]}…"
        fix = "simplify the HTML or Markdown around it"
        yield issue.finding(lost.line, 0, "text-lost", "error", f'"{shown}" would be lost in the email', fix)
    size = len(html.encode()) + LINK_GROWTH
    if size > LARGEST:
        what = (
            f"the email has {size:,} bytes, and Gmail cuts off everything after {LARGEST:,}, even the unsubscribe link"
        )
        yield issue.finding(0, 0, "size-limit", "error", what, "shorten the issue, or send it as two")


class _Mail:
    """One issue's texts and slots, as the templates take them. The language of the text around it is active."""

    def __init__(
        self,
        issue: Issue,
        newsletter: Newsletter,
        language: str,
        sections: tuple[Section, ...],
        bodies: tuple[str, ...],
        placeholders: Mapping[str, str],
        logo: str,
        archive_url: str,
    ) -> None:
        self.issue, self.newsletter, self.sections, self.bodies = issue, newsletter, sections, bodies
        self.headline = without_name(issue.title, newsletter.name)
        self.context = {
            "title": issue.title,
            "headline": self.headline,
            "newsletter": newsletter,
            "language": language_tag(language),
            "direction": direction(language),
            "title_direction": direction_of(self.headline, direction(language)),
            # Of our own texts, which are in English around a language that we do not speak.
            "frame_direction": direction(translation.get_language()),
            "address_direction": direction_of(newsletter.postal_address or newsletter.from_name, direction(language)),
            "dateline": self._dateline(),
            "logo": logo,
            # A welcome has no page.
            "web_url": "" if issue.welcome else f"{archive_url}{quote(issue.slug, safe='')}/",
            "archive_url": archive_url,
            "accent_color": newsletter.accent_color,
            "palette": palette(newsletter.accent_color),
            "contents": [section for section in sections if section.title],
            "has_callouts": any('class="callout' in body for body in bodies),
            "has_directions": any(' dir="' in body for body in bodies),
            "has_definitions": any("<dl" in body for body in bodies),
            "has_marks": any("<mark>" in body for body in bodies),
            "has_tables": any('class="wide"' in body for body in bodies),
            **placeholders,
        }

    def _dateline(self) -> str:
        number = gettext("No. {number}").format(number=self.issue.number) if self.issue.number else ""
        day = date_format(self.issue.date, gettext("j F Y")) if self.issue.date else ""
        return " · ".join(filter(None, (day, number)))

    def subject(self) -> str:
        return " ".join(_filled("issue/subject.txt", self.context).split())

    def preheader(self) -> str:
        """Return the editor's own, else the first words of the issue, else its first stories."""
        if self.issue.preheader:
            return self.issue.preheader
        return _shortened(self._first_words(_says_something) or self._first_words(bool))

    def _first_words(self, counts: Callable[[Sequence[Token]], bool]) -> str:
        """Return the beginning of the text, of whose paragraphs only those count."""
        words = ""
        for more in self._beginnings(counts):
            words = f"{words} {more}".strip()
            if len(words) > PREHEADER:
                break
        return words

    def _beginnings(self, counts: Callable[[Sequence[Token]], bool]) -> Iterator[str]:
        for section in self.sections:
            story = False
            before = ""
            for token in section.tokens:
                story = token.attrs.get("class") == "story" if token.type == "heading_open" else story
                if token.type == "inline" and (story or not section.title or not section.stories):
                    children = token.children or []
                    # In a list the items are often links alone, and say what the issue is about.
                    if before != "paragraph_open" or token.level > 1 or counts(children):
                        yield plain(children, STRUCK).split(" | ")[0]
                story = story and token.type != "heading_close"
                before = token.type

    def html(self, preheader: str) -> str:
        slots = Slots()
        css = _filled("_parts/content.css", self.context)
        fragments = inline_styles(
            {
                f"section-{number}": _bar(section) + body
                for number, (section, body) in enumerate(zip(self.sections, self.bodies, strict=True))
            },
            css,
        )
        rest = list(fragments.values())
        opening = rest.pop(0) if self.sections and not self.sections[0].title else ""
        listed = needs_contents(self.sections) and not self.issue.welcome  # "In this issue" would be wrong there
        contents = _part("contents", self.context | {"opening": opening}) if listed else ""
        template = get_template("email/issue/body.mjml", using="mjml")
        page = template.render(
            self.context
            | {
                "slots": {
                    "title": slots.put(escape(self.issue.title)),
                    "preheader": slots.put(escape(preheader) + PADDING),
                    "masthead": slots.put(_part("masthead", self.context)),
                    "opening": slots.put(opening + contents) if opening or contents else "",
                    "sections": [slots.put(section) for section in rest],
                    "footer": slots.put(_part("footer", self.context)),
                }
            }
        )
        return slots.fill(page)

    def text(self) -> str:
        numbers = Numbers()
        sections = []
        for section in self.sections:
            title = inline_to_text(section.heading, numbers)
            text = to_text(section.tokens, numbers)
            # As words: Django looks up for each number how the language writes it.
            addresses = [(str(number), address) for number, address in numbers.take_used()]
            # Already put together: Django takes as long for the addresses as for all the rest of the template.
            references = "".join(f"[{number}] {address}\n" for number, address in addresses)
            own = {"addresses": addresses, "references": references}
            sections.append({"title": title, "line": _line(title), "text": text} | own)
        context = self.context | {"sections": sections, "title_line": _line(self.headline, "=")}
        text = _filled("issue/body.txt", context)
        return in_short_lines(re.sub(r"\n{3,}", "\n\n", text).strip()) + "\n"


def _says_something(children: Sequence[Token]) -> bool:
    """Tell whether a paragraph has words outside of images and links, unlike a banner or "Read online"."""
    linked = 0
    for child in children:
        linked += child.nesting if child.type in ("link_open", "link_close") else 0
        if not linked and child.type in ("text", "text_special", "code_inline") and re.search(r"\w", child.content):
            return True
    return False


def _filled(name: str, context: Mapping[str, object]) -> str:
    """Render the template email/`name`, which is not MJML, with the context."""
    # Without the engine's name Django asks the one for MJML first. The exception that this one answers with holds its
    # callers and they hold it, so all tokens of the issue would stay until the garbage is collected.
    return render_to_string(f"email/{name}", dict(context), using="pages")


def _part(name: str, context: Mapping[str, object]) -> str:
    return _filled(f"issue/{name}.html", context).strip()


def _line(words: str, stroke: str = "-") -> str:
    return stroke * min(display_width(words), 72)


def _shortened(words: str) -> str:
    if len(words) <= PREHEADER:
        return words
    cut = words[: PREHEADER - 1]
    # Between words if the language separates them.
    space = cut.rfind(" ")
    return (cut[:space] if space > PREHEADER * 2 // 3 else cut).rstrip(" ,;:，、；：") + "…"
