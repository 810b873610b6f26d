"""Tell what address somebody meant who left out its scheme, or mistyped it."""

import re

# Relative as they are written, and meant as the address of another site or a mailbox.
SCHEME_FORGOTTEN = re.compile(r"www\.[^\s/]+\.|https?(?:[:：]/?|[:：/]{2,})[^\W_][\w-]*\.\w", re.IGNORECASE)
HOST_FIRST = re.compile(r"((?:[\w-]+\.)+(?:com|org|net|edu|gov|io|dev|ai|cn|de|uk|fr|jp|info))(?:[/?#].*)?", re.DOTALL)
MAILBOX = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}")
IMAGE_ENDING = re.compile(r"\.(png|jpe?g|gif|webp|svg|avif|bmp|tiff?|heic|ico)$", re.IGNORECASE)  # as in board@2x.png
ABSOLUTE = re.compile(r"https?://[^/]|[a-gi-z][\w+.-]*:|h(?!ttps?:)[\w+.-]*:|//|#|/", re.IGNORECASE)


def address_meant(target: str) -> str:
    """Return what a target was meant to be; "" if it may be meant as it is, or nobody can tell."""
    if MAILBOX.fullmatch(target) and not IMAGE_ENDING.search(target):
        return f"mailto:{target}"
    if ABSOLUTE.match(target):
        return ""
    if SCHEME_FORGOTTEN.match(target):
        return "https://" + re.sub(r"^https?[:：/]+", "", target, flags=re.IGNORECASE)
    return f"https://{target}" if HOST_FIRST.fullmatch(target) else ""


def image_meant(target: str) -> str:
    """Return what the address of an image was meant to be: no mailbox and no host alone shows one."""
    return address_meant(target) if "/" in target else ""


def host_meant(target: str) -> str:
    """Return the host that a target such as "example.org/x" begins with, "" if it does not."""
    found = HOST_FIRST.fullmatch(target)
    return found[1] if found else ""
