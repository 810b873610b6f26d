"""The ways in which a provider can fail, by the names that tests use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# What each does instead of 202. "seconds" says how long where it lasts (default: until the stand-in stops).
FAULTS = {
    "too many": "429 with X-RateLimit-Reset in `seconds` (default 1)",
    "error before accepting": "`status` (default 503), nothing accepted",
    "error after accepting": "`status` (default 500), although all was accepted",
    "close before accepting": "the connection is reset without an answer",
    "close after accepting": "the same, although all was accepted",
    "hang before accepting": "silence for `seconds`, then the connection is closed",
    "hang after accepting": "the same, although all was accepted",
    "late": "all is accepted, and answered after `seconds` (default 1)",
    "trickle": "all is accepted, and the answer comes a byte every `seconds` (default 0.1)",
    "cut status line": "all is accepted, and the answer ends within its first line",
    "cut headers": "all is accepted, and the answer ends within its headers",
    "cut body": "`status` (default 202) with headers that promise more body than comes",
    "redirect": "302 to /elsewhere, which answers 200 to a GET",
    "200": "200 instead of 202, nothing accepted (sandbox)",
    "answer": "`status`, `body`, `headers` as given, nothing accepted",
    "unauthorized": "401",
    "no credits": "401 Maximum credits exceeded",
    "forbidden": "403",
    "too large": "413 with an HTML page",
    "too large early": "413 and a closed connection before the body was read",
    "close when idle": "all is accepted and answered, then the connection is closed `seconds` later (default 0)",
}


# Readers are mailed all the same. So they are by "cut body", unless its `status` says otherwise.
ACCEPTING = {
    "error after accepting",
    "close after accepting",
    "hang after accepting",
    "late",
    "trickle",
    "cut status line",
    "cut headers",
    "close when idle",
}


@dataclass
class Fault:
    name: str
    times: int
    options: dict[str, Any]
    when: Callable[[dict[str, Any]], bool] | None = None

    @property
    def accepts(self) -> bool:
        return self.name in ACCEPTING or (self.name == "cut body" and self.options.get("status", 202) == 202)
