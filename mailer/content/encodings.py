"""Guess the encoding of a file that is not UTF-8, so that a message can name it.

A file is read as UTF-8 or refused: a guess is good enough for a message, but not for 5,000 emails.
"""

from collections.abc import Callable

_Leads = Callable[[int], bool]


def _among(*ranges: tuple[int, int]) -> _Leads:
    return lambda byte: any(first <= byte <= last for first, last in ranges)


# Encoding, its name, and the first bytes of its common characters: others decode the same bytes as rare ones.
_CANDIDATES: tuple[tuple[str, str, _Leads], ...] = (
    ("euc_kr", "EUC-KR", _among((0xA1, 0xA3), (0xB0, 0xC8))),
    ("gb2312", "GBK", _among((0xA1, 0xA3), (0xB0, 0xD7))),
    ("big5", "Big5", _among((0xA1, 0xA3), (0xA4, 0xC6))),
    ("shift_jis", "Shift JIS", _among((0x81, 0x83), (0x88, 0x97))),
    ("euc_jp", "EUC-JP", _among((0xA1, 0xA1), (0xA4, 0xA5), (0xB0, 0xCF))),
)
_DECODERS = {"gb2312": "gb18030"}  # which has all characters of GBK, too
ENOUGH = 0.8  # of the characters must be common ones


def likely_encoding(source: bytes) -> str:
    """Return the name of the encoding that the text probably has, or ""."""
    if source.count(0) > len(source) // 4:  # every other byte of ASCII
        return "UTF-16"
    scores = {name: _share(source, encoding, is_common) for encoding, name, is_common in _CANDIDATES}
    scores["Windows-1252"] = _share_alone(source)
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= ENOUGH else ""


def _share(source: bytes, encoding: str, is_common: _Leads) -> float:
    """Return which share of the characters that are not ASCII is common; 0 if the bytes are not in the encoding."""
    try:
        text = source.decode(_DECODERS.get(encoding, encoding))
    except UnicodeDecodeError:
        return 0
    chars = [char for char in text if char > "\x7f"]
    leads = (char.encode(encoding, "ignore")[:1] for char in chars)
    return sum(bool(lead) and is_common(lead[0]) for lead in leads) / max(len(chars), 1)


def _share_alone(source: bytes) -> float:
    """Return which share of the bytes that are not ASCII stands between ASCII: in Western text, nearly all do."""
    try:
        source.decode("cp1252")
    except UnicodeDecodeError:
        return 0
    padded = b" " + source + b" "
    high = [number for number, byte in enumerate(padded) if byte > 0x7F]
    alone = sum(padded[number - 1] < 0x80 and padded[number + 1] < 0x80 for number in high)
    return alone / max(len(high), 1)
