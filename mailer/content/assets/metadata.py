"""Remove what an image file says about its maker; pixels, colours and animation stay byte for byte.

Cameras write places and names into EXIF; editors write comments and histories. All of it would reach every subscriber.
"""

from collections.abc import Iterator

# Chunks that decide what is seen; every other one is about the file.
PNG_KEPT = frozenset(b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP sBIT bKGD pHYs acTL fcTL fdAT".split())
GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


class Damaged(ValueError):
    """The file is cut off or malformed."""


def strip(kind: str, content: bytes) -> bytes:
    """Return the file without metadata and without what follows its end. Raises `Damaged`.

    `kind` is PNG, JPEG or GIF.
    """
    pieces = {"PNG": _png, "JPEG": _jpeg, "GIF": _gif}[kind]
    try:
        return b"".join(pieces(content))
    except IndexError:
        raise Damaged from None


def _png(content: bytes) -> Iterator[bytes]:
    yield content[:8]
    position = 8
    while position < len(content):
        name = content[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(content[position : position + 4], "big")
        if name in PNG_KEPT:
            yield content[position:end]
        if name == b"IEND":
            return
        position = end
    raise Damaged


def _jpeg(content: bytes) -> Iterator[bytes]:
    yield content[:2]
    position = 2
    while True:
        if content[position] != 0xFF:
            raise Damaged
        marker = content[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xD9:
            yield b"\xff\xd9"
            return
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        if marker == 0xDA:
            end = _end_of_scan(content, end)
        if not _about_the_file(marker, content[position + 4 : position + 16]):
            yield content[position:end]
        position = end


def _about_the_file(marker: int, begin: bytes) -> bool:
    """Tell whether a segment is a comment or application data.

    JFIF, the colour profile and Adobe's colour transform are not: they decide what is seen.
    """
    if marker == 0xE2:
        return not begin.startswith(b"ICC_PROFILE")
    return marker == 0xFE or (0xE1 <= marker <= 0xEF and marker != 0xEE)


def _end_of_scan(content: bytes, position: int) -> int:
    """Return where the compressed pixels end: at the first marker that is neither a stuffed byte nor a restart."""
    while True:
        position = content.find(b"\xff", position)
        if position < 0 or position + 1 >= len(content):
            raise Damaged
        following = content[position + 1]
        if following and not 0xD0 <= following <= 0xD7 and following != 0xFF:
            return position
        position += 1 if following == 0xFF else 2


def _gif(content: bytes) -> Iterator[bytes]:
    position = 13 + _colours(content[10])
    yield content[:position]
    while True:
        kind = content[position]
        if kind == 0x3B:
            yield b";"
            return
        if kind == 0x2C:
            end = _end_of_blocks(content, position + 11 + _colours(content[position + 9]))
            yield content[position:end]
        elif kind == 0x21:
            end = _end_of_blocks(content, position + 2)
            loops = content[position + 1] == 0xFF and content[position + 3 : position + 14] in GIF_LOOPS
            if loops or content[position + 1] == 0xF9:
                yield content[position:end]
        else:
            raise Damaged
        position = end


def _colours(flags: int) -> int:
    """Return the size in bytes of the colour table that these flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_blocks(content: bytes, position: int) -> int:
    while content[position]:
        position += content[position] + 1
    return position + 1
