"""Check how much there is to load: Gmail clips long emails, and some clients drop a long style sheet whole."""

from collections.abc import Iterator

from mailer.checks.proofs import Proof, shortened
from mailer.content.findings import Finding
from mailer.content.rendering import LARGEST

GETTING_LARGE = 80 * 1024  # bytes
LARGEST_STYLE = 16 * 1024  # Gmail drops a style element that is longer
HEAVY_IMAGE = 300_000
HEAVY_IMAGES = 1_000_000
LIGHTER = "save it as JPEG, or with fewer pixels; a width of 1,200 is enough"
LIGHTER_GIF = "leave out frames, or link a still image to a video; Outlook shows the first frame only"


def look(proof: Proof) -> Iterator[Finding]:
    size = len(proof.rendered.html.encode())
    if GETTING_LARGE <= size <= LARGEST:
        yield proof.finding_on_top(
            "size-warning",
            f"the email has {size:,} bytes, and Gmail cuts off everything after {LARGEST:,}",
            "shorten the issue, or move part of it into the next one",
        )
    style = sum(len((element.text or "").encode()) for element in proof.page.iter("style"))
    if style > LARGEST_STYLE:
        yield proof.finding_on_top(
            "style-size",
            f"the style sheet has {style:,} bytes, and Gmail ignores a whole style sheet over {LARGEST_STYLE:,}",
            "remove rules from your templates",
        )
    yield from _images(proof)


def _images(proof: Proof) -> Iterator[Finding]:
    sizes = {image.name: len(image.content) for image in proof.rendered.images}
    for name, size in sizes.items():
        if size > HEAVY_IMAGE:
            line, column, shown = _place(proof, name)
            yield proof.finding(
                line,
                column,
                "image-weight",
                f"image {shown} has {size / 1000:,.0f} kB, which loads slowly on a phone",
                LIGHTER_GIF if name.endswith(".gif") else LIGHTER,
            )
    total = sum(sizes.values())
    if total > HEAVY_IMAGES:
        yield proof.finding_on_top(
            "image-weight",
            f"the {len(sizes)} images have {total / 1_000_000:.1f} MB together, which is expensive on mobile data",
            "remove some, or save them smaller",
        )


def _place(proof: Proof, name: str) -> tuple[int, int, str]:
    """Return where the editor wrote the image of that name, and its alt text, which both sides share."""
    alts = [image.get("alt") for image in proof.page.iter("img") if (image.get("src") or "").endswith(name)]
    for picture in proof.pictures:
        if picture.alt in alts:
            return picture.line, picture.column, f'"{shortened(picture.target, 40)}"'
    return 1 - proof.issue.body_line, 0, name  # the logo
