"""No regular expression of ours is slow on any text: none backtracks over the ways to divide a long one.

The guard is CPU time, many times what a pattern needs that reads its text once, so that a busy machine fails nothing.
"""

import ast
import importlib
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import mailer
import subscribers
from mailer.checks import dialects
from mailer.checks.kinds import Markup
from mailer.content.markdown import cjk
from mailer.content.patterns import Lazy

pytestmark = pytest.mark.slow

PARTS = 8  # which other processes, or the time limit of a test, can take one by one
LENGTH = 40_000
ENOUGH = 2.0  # seconds of CPU for one text; a pattern that reads it once takes a hundredth
# What looks for the pattern everywhere, and what only at the beginning.
USES = {"match": "match", "fullmatch": "fullmatch"} | dict.fromkeys(
    ("search", "findall", "finditer", "sub", "subn", "split"), "search"
)
SIGNS = " \t\n0aZ_-.,:;/\\\"'`<>()[]{}!?&=#@%*+|~^$é中"
PIECES = (
    "a ",
    "a.",
    "a-",
    "<a",
    "a>",
    "](",
    "![",
    "{>>",
    "{>>\n\n",
    "<note>",
    "<note>\n\n",
    "a%%\n\n",
    "{{",
    "{%",
    "a@",
    "[a",
    "()",
    "\r\n",
    "\n ",
    "1.",
    "&#",
    '="',
    "<!--",
)
NOT_IMPORTED = ("__main__", "wsgi", "svg_program")  # these run something


def sources() -> Iterator[tuple[str, Path]]:
    """Yield each module with its file."""
    for package in (mailer, subscribers):
        top = Path(package.__path__[0])
        for path in sorted(top.rglob("*.py")):
            yield ".".join(path.relative_to(top.parent).with_suffix("").parts), path


def calls(path: Path) -> Iterator[tuple[str, str, int]]:
    """Yield the literal patterns in calls of `re`, with the function and flags."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name), args=[ast.Constant(value=text), *_]):
                if name in USES:
                    named = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
                    yield text, USES[name], sum(flag for flag in re.RegexFlag if flag.name in named)


def kept(module: str, used: str) -> Iterator[tuple[str | bytes, str, int]]:
    """Yield the patterns that modules store under a name, concatenated ones too, for each use in the code."""
    if not module.endswith(NOT_IMPORTED):
        for name, value in vars(importlib.import_module(module.removesuffix(".__init__"))).items():
            for pattern in within(value):
                for use in set(re.findall(rf"\b{name}[.]({'|'.join(USES)})\b", used)) or {"search"}:
                    yield pattern.pattern, USES[use], pattern.flags


def within(value: object) -> Iterator[re.Pattern | Lazy]:
    """Yield the value if it is a pattern, compiled or not yet, and the patterns of dialects."""
    match value:
        case re.Pattern() | Lazy():
            yield value
        case Markup():
            yield value.pattern
        case tuple():
            yield from (one.pattern for one in value if isinstance(one, Markup))


def patterns() -> dict[tuple[str | bytes, str, int], str]:
    """Return each pattern of both packages with how it is used and a module that has it."""
    used = "\n".join(path.read_text(encoding="utf-8") for _, path in sources())
    return {found: module for module, path in sources() for found in (*calls(path), *kept(module, used))}


@contextmanager
def cpu(seconds: float) -> Iterator[None]:
    def over(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def texts(pattern: str | bytes) -> Iterator[str]:
    """Yield long texts, made of characters with a special meaning and of the words that the pattern looks for."""
    source = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    own = {re.sub(r"\\(\W)", r"\1", word) for word in re.findall(r"(?:\\[^\w\s]|[\w<>/:#!@%&=~'\"-])+", source)}
    for piece in (*SIGNS, *PIECES, *sorted(own)):
        yield from (f"{(piece * LENGTH)[:LENGTH]}{end}" for end in ("", "\0"))


def takes_long(pattern: re.Pattern, use: str = "search") -> str:
    """Return the start of a text on which the pattern is slow."""
    for text in texts(pattern.pattern):
        try:
            with cpu(ENOUGH):
                getattr(pattern, use)(text.encode() if isinstance(pattern.pattern, bytes) else text)
        except TimeoutError:
            return text[:6]
    return ""


def test_the_guard_finds_a_pattern_that_tries_each_way():
    assert takes_long(re.compile(r"\d*\.?\d+x"), "match") == "000000"
    assert takes_long(re.compile(r"\d+x"), "search") == "000000"  # from each digit anew
    assert not takes_long(re.compile(r"\d+x"), "match")


def test_patterns_of_dialects_and_those_that_are_not_compiled_yet_are_looked_at():
    found = {
        text for module in ("mailer.checks.dialects", "mailer.content.markdown.cjk") for text, *_ in kept(module, "")
    }

    assert {dialects.IN_WORDS[-1].pattern.pattern, cjk._LISTED.pattern} <= found


@pytest.mark.parametrize("part", range(PARTS))
def test_no_pattern_takes_long_for_a_long_text(part: int):
    found = patterns()
    assert len(found) > 100
    slow = {}
    for (text, use, flags), module in list(found.items())[part::PARTS]:
        if given := takes_long(re.compile(text, flags), use):
            slow[f"{module} {use} {text!r}"] = given
    assert slow == {}
