"""Draw a card: the newsletter's colour, its logo and name, and the title below."""

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailer.config.newsletter import Newsletter
from mailer.content.assets.images import ImageError, read_image
from mailer.content.cards.fonts import Font, fewest
from mailer.content.cards.lines import LEADING, Box
from mailer.content.cards.typesetting import Block, Style, block_of, opened, rendered, style_of_title
from mailer.content.colours import mix, palette

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH, HEIGHT = 1200, 630  # as Facebook, LinkedIn, X and messengers show it
MARGIN = 80
LOGO = 88  # pixels, its height at most
WIDEST_LOGO = 360
PAPER = 12  # white around a logo with holes
BAND = 16  # the strip at the lower edge
TITLE_TOP, TITLE_BOTTOM = 218, 562
TITLE_SIZES = (92, 84, 76, 70, 64, 58, 52, 46)
NAME_SIZES = (38, 34, 30)
# Of the size, from the middle of a line down to its baseline; from the top of a block to the first.
MIDDLE, ASCENT = 0.35, 0.82


@dataclass(frozen=True)
class Words:
    title: str
    beside: str  # the newsletter's name above an issue's title, what it is about above its own


@dataclass(frozen=True)
class Logo:
    width: int
    height: int
    content: bytes  # PNG
    border: int  # of white paper around it


def draw(words: Words, newsletter: Newsletter, fonts: list[Font]) -> bytes:
    """Return the card as PNG. Raises DoesNotFit."""
    shades = palette(newsletter.accent_color)
    style = style_of_title(words.title, fonts)
    logo = _logo(newsletter)
    ground = (
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{shades.accent}"/>'
        f'<rect y="{HEIGHT - BAND}" width="{WIDTH}" height="{BAND}" fill="{mix(shades.accent, "#000000", 0.22)}"/>'
    )
    above = _placed(logo, style.rtl) if logo else ""
    indent = logo.width + 2 * logo.border + 24 if logo else 0
    beside = _beside(words.beside, fonts, style.rtl, indent, shades.on_accent) if words.beside else ""
    title = _title(words.title, style, shades.on_accent)
    return rendered(ground + above + beside + title, fonts, WIDTH, HEIGHT)


def _title(text: str, style: Style, ink: str) -> str:
    height = TITLE_BOTTOM - TITLE_TOP
    block = block_of(text, style, Box(WIDTH - 2 * MARGIN, height), TITLE_SIZES)
    baseline = TITLE_TOP + (height - block.height) / 2 + block.layout.size * ASCENT
    return block.markup(_start(style.rtl, 0), baseline, ink)


def _beside(text: str, fonts: list[Font], rtl: bool, indent: float, ink: str) -> str:
    box = Box(WIDTH - 2 * MARGIN - indent, NAME_SIZES[0] * LEADING)
    block: Block = block_of(text, Style(tuple(fewest(text, fonts)), rtl), box, NAME_SIZES)
    return block.markup(_start(rtl, indent), MARGIN + LOGO / 2 + block.layout.size * MIDDLE, ink)


def _start(rtl: bool, indent: float) -> float:
    return WIDTH - MARGIN - indent if rtl else MARGIN + indent


def _logo(newsletter: Newsletter) -> Logo | None:
    """Return the logo in the size in which it is drawn; None if there is none in the newsletter's folder."""
    image = logo_of(newsletter)
    if image is None:
        return None
    scale = min(LOGO / image.height, WIDEST_LOGO / image.width)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    file = io.BytesIO()
    small.save(file, "PNG")
    return Logo(small.width, small.height, file.getvalue(), PAPER if has_holes(small) else 0)


def logo_of(newsletter: Newsletter) -> "Image | None":
    """Return the logo's pixels (RGBA), if it is a file of the newsletter's folder that can be read."""
    if not newsletter.logo or "://" in newsletter.logo:
        return None
    try:
        content = read_image(newsletter.logo, newsletter.folder, newsletter.folder).content
    except ImageError:
        return None  # rendering says so
    return opened(content).convert("RGBA")


def has_holes(image: "Image") -> bool:
    return image.getchannel("A").getextrema() != (255, 255)


def _placed(logo: Logo, rtl: bool) -> str:
    """Place the logo; on white if it has holes, for nobody drew it for our colour."""
    border = logo.border
    x = WIDTH - MARGIN - border - logo.width if rtl else MARGIN + border
    y = MARGIN + (LOGO - logo.height) / 2
    paper = ""
    if border:
        size = f'width="{logo.width + 2 * border}" height="{logo.height + 2 * border}"'
        paper = f'<rect x="{x - border}" y="{y - border:g}" {size} rx="12" fill="#fff"/>'
    data = base64.b64encode(logo.content).decode()
    size = f'width="{logo.width}" height="{logo.height}"'
    return f'{paper}<image x="{x}" y="{y:g}" {size} href="data:image/png;base64,{data}"/>'
