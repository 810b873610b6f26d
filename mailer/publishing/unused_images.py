"""Find and remove the entries of images.lock that nothing in the newsletter's folder names any more."""

import os
import re
from collections.abc import Collection, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote

from mailer.content.assets.copies import read_lock, remove_from_lock

TEXTS = (".md", ".markdown", ".toml", ".html", ".mjml", ".txt")
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def unused_images(folder: Path) -> list[str]:
    """Return the addresses in images.lock that no issue, template or setting in the folder names.

    Only what stands behind the host is compared, because a host can be written in several ways. An entry that stays
    does no harm. Raises NewsletterError, and OSError for a text that cannot be read.
    """
    unused = {address: _behind_host(address) for address in read_lock(folder)}
    for file in _texts_in(folder):
        text = _spelled_out(file.read_text("utf-8", "replace"))
        unused = {address: path for address, path in unused.items() if path not in text}
    return sorted(unused)


def forget_images(folder: Path, images: Path, addresses: Collection[str]) -> None:
    """Remove these addresses from images.lock, and the copies that no other address has. Raises OSError."""
    before = read_lock(folder)
    after = remove_from_lock(folder, images, addresses)
    for digest in {before[one] for one in addresses if one in before} - set(after.values()):
        (images / digest).unlink(missing_ok=True)


def _behind_host(address: str) -> str:
    host, _, path = address.partition("://")[2].partition("/")
    return unquote(path) or host


def _spelled_out(text: str) -> str:
    return unquote(unescape(ESCAPED.sub(r"\1", text)))


def _texts_in(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
        yield from (Path(where, name) for name in files if name.lower().endswith(TEXTS))
