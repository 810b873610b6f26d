"""What the doctor says of one thing."""

from collections.abc import Callable
from dataclasses import dataclass

from mailer.cli.terminal import Problem, explain


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `ok`, `warning` (a rehearsal works, or it cannot be seen) or `error`."""

    name: str
    state: str
    words: str


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """What `look` finds; an error that it meets is what is wrong."""
    try:
        return look()
    except Exception as error:
        problem: Problem | None = explain(error)
        if problem is None:
            raise
        return Check(name, "error", problem.message)
