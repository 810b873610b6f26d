"""One kind of markup that only other programs understand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Markup:
    rule: str  # "" for what another rule reports
    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    fix: str
    in_front: bool = True  # whether it means anything in a subject, too
    called: str = ""  # what it is, if its text does not say so

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Return each place where the text has it."""
        for sign in self.signs:
            if sign in text:
                return self.pattern.finditer(text)
        return iter(())
