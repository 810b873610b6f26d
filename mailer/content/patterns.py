"""Regular expressions that are compiled when they are first used: compiling all takes longer than reading an issue."""

import re
from typing import Any, cast


class Lazy:
    """A regular expression that most issues never need."""

    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern, self._flags = pattern, flags

    def __getattr__(self, name: str) -> Any:
        # Python asks here for what is not set yet, so each method is looked up once.
        found = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, found)
        return found


def lazy(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return a pattern that costs nothing until it is used. What all issues need is compiled with `re.compile`."""
    return cast("re.Pattern[str]", Lazy(pattern, flags))
