"""The card of an issue: the picture that other sites show where its page is linked to (Open Graph).

It is drawn from title, newsletter, accent colour and logo when an issue is sent, never while somebody waits for a page.
The same texts, files and versions of Pillow and resvg give the same bytes.
"""

import hashlib
import logging
import re
import unicodedata
from dataclasses import dataclass

from mailer.config.newsletter import Newsletter
from mailer.content.assets.images import Image
from mailer.content.cards.drawing import HEIGHT, WIDTH, Words, draw
from mailer.content.cards.fonts import HOW_TO_INSTALL, Font, NoFont, fonts_for, missing
from mailer.content.cards.typesetting import DoesNotFit

log = logging.getLogger(__name__)

UNSEEN = "\u00ad\u200b\u2060\ufeff\ufe0e\ufe0f"
LONGEST = 500  # characters of a title; four lines hold at most 120


@dataclass(frozen=True)
class Faults:
    """Why a text has no card; nothing if it has one."""

    reason: str = ""
    fix: str = ""
    missing: str = ""  # characters that no font has

    def __bool__(self) -> bool:
        return bool(self.reason)

    def __str__(self) -> str:
        return f"{self.reason}; {self.fix}" if self.fix else self.reason


def card_of(title: str, newsletter: Newsletter, language: str = "") -> Image | None:
    """Return the card of an issue with this title; None if it cannot be drawn, and `faults_of` says why."""
    return _drawn(_one_line(title), _one_line(newsletter.name), newsletter, language or newsletter.language)


def card_of_newsletter(newsletter: Newsletter) -> Image | None:
    """Return the card of a newsletter's form and archive; None as above."""
    return _drawn(_one_line(newsletter.name), _one_line(newsletter.about), newsletter, newsletter.language)


def faults_of(text: str, newsletter: Newsletter, language: str = "") -> Faults:
    """Say why no card can be drawn with this text."""
    try:
        fonts = fonts_for(newsletter, language or newsletter.language)
    except NoFont as none:
        return Faults(str(none), HOW_TO_INSTALL)
    lacking = missing(_one_line(text), fonts)
    return _lacking(lacking, fonts) if lacking else Faults()


def _lacking(lacking: str, fonts: list[Font]) -> Faults:
    named = " ".join(f"{sign} (U+{ord(sign):04X})" for sign in lacking[:5]) + (" …" if len(lacking) > 5 else "")
    families = ", ".join(font.family for font in fonts)
    fix = "use other characters, or name a font that has them as card_font in newsletter.toml"
    return Faults(f"{families} cannot write {named}", fix, lacking)


def _drawn(title: str, beside: str, newsletter: Newsletter, language: str) -> Image | None:
    if not title:
        return None
    if faults := faults_of(f"{title} {beside}", newsletter, language):
        log.info("no card", extra={"because": faults.reason})
        return None
    try:
        content = draw(Words(title, beside), newsletter, fonts_for(newsletter, language))
    except DoesNotFit:
        log.warning("no card", extra={"because": "its text does not fit"})
        return None
    return Image(hashlib.sha256(content).hexdigest(), "png", "image/png", WIDTH, HEIGHT, content)


def _one_line(text: str) -> str:
    """Return the text as it is drawn: composed, in one line, without what cannot be seen."""
    kept = (sign for sign in unicodedata.normalize("NFC", text) if not _is_unseen(sign))
    return re.sub(r"[^\S\u00a0]+", " ", "".join(kept)).strip()[:LONGEST]


def _is_unseen(sign: str) -> bool:
    """Tell whether it is a control character, or only says where a line may end or how an emoji looks."""
    return (unicodedata.category(sign) in ("Cc", "Cs") and not sign.isspace()) or sign in UNSEEN
