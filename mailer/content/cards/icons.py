"""Draw a newsletter's icons from its logo: for a browser's tab, and for the home screen of a telephone."""

import hashlib
import io
from typing import TYPE_CHECKING

from mailer.config.newsletter import Newsletter
from mailer.content.assets.images import Image
from mailer.content.cards.drawing import has_holes, logo_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

TAB, HOME_SCREEN = 32, 180  # pixels
FLATTEST = 2.0  # widths for a height; in a square a longer name would be a line that nobody can read
MARGIN = 0.08  # of a home screen's icon, whose corners are cut off


def icons_of(newsletter: Newsletter) -> tuple[Image, Image] | None:
    """Return the icon for a tab and that for a home screen; None if no logo in the folder suits a square."""
    logo = logo_of(newsletter)
    if logo is None or not 1 / FLATTEST <= logo.width / logo.height <= FLATTEST:
        return None
    from PIL import Image as pillow

    tab = pillow.new("RGBA", (TAB, TAB))
    shown = _within(logo, TAB)
    tab.paste(shown, _middle(shown, TAB))
    ground = "#ffffff" if has_holes(logo) else newsletter.accent_color
    home = pillow.new("RGB", (HOME_SCREEN, HOME_SCREEN), ground)
    shown = _within(logo, round(HOME_SCREEN * (1 - 2 * MARGIN)) if has_holes(logo) else HOME_SCREEN)
    home.paste(shown, _middle(shown, HOME_SCREEN), shown)
    return _image(tab), _image(home)


def _within(logo: "Picture", side: int) -> "Picture":
    scale = side / max(logo.size)
    width, height = (max(1, round(length * scale)) for length in logo.size)
    return logo.resize((width, height))


def _middle(shown: "Picture", side: int) -> tuple[int, int]:
    return (side - shown.width) // 2, (side - shown.height) // 2


def _image(picture: "Picture") -> Image:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    content = file.getvalue()
    return Image(hashlib.sha256(content).hexdigest(), "png", "image/png", picture.width, picture.height, content)
