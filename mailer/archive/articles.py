"""Read the article of an issue's page: its text, its first paragraphs, and its images."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

# Elements whose text is a line of its own.
PARAGRAPHS = frozenset(("blockquote", "dd", "div", "dl", "dt", "figcaption", "hr", "li", "ol", "p", "section", "ul"))
NOT_PROSE = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "pre", "table"))
BLOCKS = PARAGRAPHS | NOT_PROSE | {"tr"}
OPENING = 1_500  # characters


@dataclass
class Read:
    """What an article says, without its markup."""

    lines: list[str] = field(default_factory=list)  # paragraphs, headings, items
    opening: list[str] = field(default_factory=list)  # the first paragraphs and items
    images: list[str] = field(default_factory=list)  # addresses


def read(article: str) -> Read:
    """Return what the article says."""
    reader = _Reader()
    reader.feed(article)
    reader.close()
    reader.end_line()
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = Read()
        self._line: list[str] = []
        self._left_in_opening = OPENING
        self._not_prose = 0  # elements that are open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.end_line()
        if tag in NOT_PROSE:
            self._not_prose += 1
        if tag in ("br", "td", "th"):
            self._line.append(" ")
        if tag == "img" and (address := dict(attrs).get("src")):
            self.found.images.append(address)

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.end_line()
        if tag in NOT_PROSE:
            self._not_prose = max(0, self._not_prose - 1)

    def handle_data(self, data: str) -> None:
        self._line.append(data)

    def end_line(self) -> None:
        line = " ".join("".join(self._line).split())
        self._line = []
        if not line:
            return
        self.found.lines.append(line)
        if not self._not_prose and self._left_in_opening > 0:
            self._left_in_opening -= len(line)
            self.found.opening.append(line)
