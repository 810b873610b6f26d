"""Turn tokens into plain text for the email's text part: the same words, the same links."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from markdown_it.token import Token

from mailer.content.markdown import callouts
from mailer.content.markdown.cjk import is_wide
from mailer.content.markdown.html_text import html_to_text
from mailer.content.markdown.plain_blocks import in_columns, indent, underline

LONGEST_LINE = 990  # bytes
STORY = "■ "
CALLOUT = "» "
STRUCK = "~~"  # without it, "Do ~~not~~ mix" would say the opposite


class Numbers:
    """Maps numbers to addresses. One for an issue; `used` starts again with each section."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._used: set[str] = set()

    def of(self, address: str) -> int:
        self._used.add(address)
        return self._numbers.setdefault(address, len(self._numbers) + 1)

    def take_used(self) -> list[tuple[int, str]]:
        """Return the addresses since the last call, and their numbers."""
        used, self._used = self._used, set()
        return sorted((self._numbers[address], address) for address in used)


def plain(children: Sequence[Token], struck: str = "") -> str:
    """Return the text alone, on one line; `struck` stands around what is struck out."""
    parts = []
    for child in _with_scripts(children):
        if child.type in ("text", "text_special", "code_inline"):
            parts.append(child.content)
        elif child.type == "image":
            parts.append(plain(child.children or []))
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif _strikes(child):
            parts.append(struck)
    return " ".join("".join(parts).split())


# What stands above or below the line, for which there are characters: "10^6^" is not 106.
_SCRIPTS = {
    "above": str.maketrans("0123456789+-\u2212nixyk", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿⁱˣʸᵏ"),
    "below": str.maketrans("0123456789+-\u2212nixk", "₀₁₂₃₄₅₆₇₈₉₊₋₋ₙᵢₓₖ"),
}
_SCRIPT_TOKENS = {"sup_open": "above", "sub_open": "below", "sup_close": "", "sub_close": ""}


def _with_scripts(children: Sequence[Token]) -> Iterable[Token]:
    """Write what stands above or below the line in characters that do, if there are such for all of it."""
    has_scripts = any(child.type in _SCRIPT_TOKENS or child.meta for child in children)
    return _in_scripts(children) if has_scripts else children


def _in_scripts(children: Iterable[Token]) -> Iterator[Token]:
    script = ""
    for child in children:
        script = _SCRIPT_TOKENS.get(child.type, child.meta.get("script", script))
        table = _SCRIPTS.get(script, {})
        if table and child.type == "text" and all(ord(char) in table for char in child.content):
            yield Token("text", "", 0, content=child.content.translate(table))
        else:
            yield child


def on_the_line(children: Iterable[Token]) -> list[Token]:
    """Return the tokens without those that put text above or below the line: sites name "10^6^ boards" 106-boards."""
    return [child for child in children if child.type not in _SCRIPT_TOKENS and not child.meta.get("script")]


def _strikes(child: Token) -> bool:
    return child.type in ("s_open", "s_close") or bool(child.meta.get("strikes"))


def to_text(tokens: Sequence[Token], numbers: Numbers) -> str:
    """Return block tokens as paragraphs with a blank line between; number their links."""
    return _joined(list(filter(None, _blocks(list(tokens), numbers))))


def inline_to_text(children: Sequence[Token], numbers: Numbers) -> str:
    """Return inline tokens as one line."""
    return " ".join(_inline(children, numbers).split())


def _joined(blocks: list[str]) -> str:
    """Put a blank line between blocks, but none between a story's title and its summary."""
    parts: list[str] = []
    for block in blocks:
        if parts:
            parts.append("\n" if parts[-1].rsplit("\n", 1)[-1].startswith(STORY) else "\n\n")
        parts.append(block)
    return "".join(parts)


def _blocks(tokens: list[Token], numbers: Numbers) -> list[str]:
    blocks = []
    position = 0
    while position < len(tokens):
        end = closing(tokens, position)
        token, inside = tokens[position], tokens[position + 1 : end]
        write = _WRITERS.get(token.type)
        if write:
            blocks.append(write(token, inside, numbers))
        elif token.type == "inline":
            blocks.append(_html(token, inside, numbers))
        elif len(inside) == 1 and inside[0].type == "inline":
            blocks.append(_html(inside[0], [], numbers))
        elif inside:
            blocks.append(to_text(inside, numbers))
        position = end + 1
    return blocks


def closing(tokens: Sequence[Token], position: int) -> int:
    """Return the position of the token that closes the one at `position`."""
    depth = 0
    for number in range(position, len(tokens)):
        depth += tokens[number].nesting
        if depth == 0:
            return number
    return len(tokens) - 1


# ---------------------------------------------------------------- blocks


def _heading(token: Token, inside: list[Token], numbers: Numbers) -> str:
    words = to_text(inside, numbers).replace("\n", " ")
    return f"{STORY}{words}" if token.attrs.get("class") == "story" else f"{words}\n{underline(words, '·')}"


def _bullets(token: Token, inside: list[Token], numbers: Numbers) -> str:
    return _list(inside, numbers, lambda _: "- ")


def _numbered(token: Token, inside: list[Token], numbers: Numbers) -> str:
    first = int(token.attrs.get("start", 1))
    return _list(inside, numbers, lambda position: f"{first + position}. ")


def _list(inside: list[Token], numbers: Numbers, mark: Callable[[int], str]) -> str:
    items: list[str] = []
    position = 0
    while position < len(inside):
        end = closing(inside, position)
        lead = mark(len(items))
        tight = any(token.type == "paragraph_open" and token.hidden for token in inside[position:end])
        blocks = filter(None, _blocks(inside[position + 1 : end], numbers))
        items.append(indent(("\n" if tight else "\n\n").join(blocks), lead, " " * len(lead)))
        position = end + 1
    return "\n".join(items)


def _quote(token: Token, inside: list[Token], numbers: Numbers) -> str:
    return indent(to_text(inside, numbers), "> ", "> ")


def _callout(token: Token, inside: list[Token], numbers: Numbers) -> str:
    label = callouts.label([token, *inside], 0)
    title, rest = ("", inside) if label else (to_text(inside[:3], numbers), inside[3:])
    return indent(to_text(rest, numbers), f"{CALLOUT}{label or title}\n  ", "  ").rstrip()


def _definitions(token: Token, inside: list[Token], numbers: Numbers) -> str:
    lines = []
    position = 0
    while position < len(inside):
        end = closing(inside, position)
        words = to_text(inside[position + 1 : end], numbers)
        lines.append(indent(words, "    ", "    ") if inside[position].type == "dd_open" else words)
        position = end + 1
    return "\n".join(lines)


def _code(token: Token, inside: list[Token], numbers: Numbers) -> str:
    return indent(token.content.rstrip("\n"), "    ", "    ")


def _rule(token: Token, inside: list[Token], numbers: Numbers) -> str:
    return "* * *"


def _html(token: Token, inside: list[Token], numbers: Numbers) -> str:
    return html_to_text(token.children or [], lambda children: _inline(children, numbers))


def _table(token: Token, inside: list[Token], numbers: Numbers) -> str:
    rows: list[list[str]] = []
    for cell in inside:
        if cell.type == "tr_open":
            rows.append([])
        elif cell.type == "inline":
            rows[-1].append(_inline(cell.children or [], numbers))
    return in_columns(rows)


def _footnote(token: Token, inside: list[Token], numbers: Numbers) -> str:
    return f"({int(token.meta['id']) + 1}) {to_text(inside, numbers)}"


_WRITERS: dict[str, Callable[[Token, list[Token], Numbers], str]] = {
    "heading_open": _heading,
    "bullet_list_open": _bullets,
    "ordered_list_open": _numbered,
    "blockquote_open": _quote,
    "callout_open": _callout,
    "dl_open": _definitions,
    "fence": _code,
    "code_block": _code,
    "hr": _rule,
    "html_block": _html,
    "table_open": _table,
    "footnote_open": _footnote,
}


# ---------------------------------------------------------------- inside of a paragraph


def _inline(children: Sequence[Token], numbers: Numbers) -> str:
    parts: list[str] = []
    links: list[tuple[str, int]] = []
    for child in _with_scripts(children):
        if child.type == "link_open":
            links.append((str(child.attrs.get("href", "")), len(parts)))
        elif child.type == "link_close" and links:
            address, start = links.pop()
            parts.append(_pointer(address, "".join(parts[start:]), numbers))
        else:
            parts.append(_words(child))
    for address, start in links:
        parts.append(_pointer(address, "".join(parts[start:]), numbers))
    lines = "".join(parts).split("\n")
    return "\n".join(" ".join(line.split(" ")).strip() for line in lines).strip()


def _pointer(address: str, words: str, numbers: Numbers) -> str:
    """Return what follows a link's text: nothing if the text is the address, else its number."""
    shown = words.strip()
    if not address or address.startswith("#") or address in (shown, f"mailto:{shown}", f"{shown}/"):
        return ""
    return f" [{numbers.of(address)}]"


def _words(child: Token) -> str:
    if child.type in ("softbreak", "hardbreak"):
        return " " if child.type == "softbreak" else "\n"
    if child.type == "image":
        alt = plain(child.children or [])
        return f"[{alt}]" if alt else ""
    if child.type == "footnote_ref":
        return f" ({int(child.meta['id']) + 1})"
    if _strikes(child):
        return STRUCK
    if child.type == "html_inline":
        return "\n" if child.meta.get("breaks") else ""
    return child.content


def in_short_lines(text: str) -> str:
    """Break lines over 998 bytes, the most that mail servers pass on (RFC 5322 §2.1.1)."""
    return "\n".join(piece for line in text.split("\n") for piece in _pieces(line))


def _pieces(line: str) -> Iterator[str]:
    while len(line.encode()) > LONGEST_LINE:
        room = len(line.encode()[:LONGEST_LINE].decode("utf-8", "ignore"))
        # After a space, else between wide characters, else where it must be.
        space = line.rfind(" ", room // 2, room)
        wide = next((n for n in range(room, room // 2, -1) if is_wide(line[n - 1])), room)
        cut = space + 1 if space > 0 else wide
        yield line[:cut].rstrip()
        line = line[cut:]
    yield line
