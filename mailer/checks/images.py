"""Check what subscribers who do not see an image get: its alt text."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from mailer.checks.proofs import ImageReference, Proof, shortened
from mailer.content.findings import Finding

FILE_NAME = re.compile(r".*\.(png|jpe?g|gif|webp|svg|bmp|avif|heic)", re.IGNORECASE)
# What cameras, phones and programs call an image, and what templates leave behind.
NOBODYS_WORDS = re.compile(
    r"(img|dsc[nf]?|dcim|pxl|mvimg|image|picture|photo|pic|screen ?shot|bild|图片|截图|微信图片|untitled|alt)"
    r"([\s_.-]*\d[\d\s_.-]*)?",
    re.IGNORECASE,
)


def look(proof: Proof) -> Iterator[Finding]:
    for picture in proof.pictures:
        alt = picture.alt.strip()
        if not alt:
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
                f'"{shortened(alt)}" looks like a file name, not a description of the image',
                "describe what a reader would miss without it",
            )


def _is_file_name(picture: ImageReference, alt: str) -> bool:
    name = PurePosixPath(unquote(picture.target.split("?")[0].split("#")[0]))
    # A name of one plain word ("Quantization") may well be the best description there is.
    is_stem = _bare(alt) == _bare(name.stem) and bool(re.search(r"[\d_]|-", alt) or alt == alt.lower())
    return bool(FILE_NAME.fullmatch(alt) or NOBODYS_WORDS.fullmatch(alt)) or (is_stem and " " not in alt)


def _bare(words: str) -> str:
    return re.sub(r"[\W_]+", "", words).casefold()
