"""Why an image cannot go into an email."""


class Unfit(ValueError):
    """The bytes cannot go into an email; the text continues "image … "."""

    rule, fix = "", ""


class Unreadable(Unfit):
    """The bytes are not an image."""

    rule, fix = "image-unreadable", "save it as PNG or JPEG"


class TooLarge(Unfit):
    """Opening the image would take too much memory."""

    rule, fix = "image-too-large", "save it smaller; a width of 1200 pixels is enough"


class TooComplex(Unfit):
    """Drawing the image takes too much time or memory."""

    rule, fix = "image-too-complex", "use fewer filters, masks and repetitions, or save it as PNG"

    def __init__(self) -> None:
        super().__init__("takes too long or too much memory to draw")
