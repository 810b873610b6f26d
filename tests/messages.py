"""Compile the translations: `python -m tests.messages`. Needs no gettext on the machine."""

from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parents[1] / "locale"


def catalogues() -> list[Path]:
    """Return every .po file of ours."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/*.po"))


def compiled(catalogue: Path) -> bytes:
    """Return the bytes of the .mo that belongs to a .po."""
    content: bytes = polib.pofile(str(catalogue)).to_binary()
    return content


if __name__ == "__main__":
    for catalogue in catalogues():
        catalogue.with_suffix(".mo").write_bytes(compiled(catalogue))
        print(catalogue.with_suffix(".mo").relative_to(LOCALE.parent))
