"""What the doctor says of one thing, and how long it waits for an answer."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from mailer.cli.terminal import Problem, explain

PATIENCE = 5.0  # seconds for one check, however many questions it asks

T = TypeVar("T")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `ok`, `warning` (a rehearsal works, or it cannot be seen) or `error`."""

    name: str
    state: str
    words: str


class NoAnswer(Exception):
    """What was asked did not answer in time."""

    def __init__(self) -> None:
        super().__init__(f"no answer within {PATIENCE:g} seconds")


class _Deadline:
    until: float | None = None  # by time.monotonic(); None while no check is under way


@contextmanager
def patiently() -> Iterator[None]:
    """Give all that is asked in the block the patience of one check."""
    _Deadline.until = time.monotonic() + PATIENCE
    try:
        yield
    finally:
        _Deadline.until = None


def guarded(name: str, look: Callable[[], Check], silence: str = "error") -> Check:
    """Return what `look` finds; an error that it meets is what is wrong. `silence` is the state without an answer."""
    try:
        with patiently():
            return look()
    except NoAnswer as why:
        return Check(name, silence, str(why))
    except Exception as error:
        problem: Problem | None = explain(error)
        if problem is None:
            raise
        return Check(name, "error", problem.message)


def in_time(ask: Callable[[], T]) -> T:
    """Return the answer, or raise NoAnswer when the time of the check is over.

    In a thread that is left behind, because looking up a name knows no timeout, and libraries try again. It may not
    ask the database: a thread has a connection of its own.
    """
    if _Deadline.until is None:
        return ask()
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 — raised where the answer is waited for
            answer.set_exception(error)

    threading.Thread(target=run, name="asks", daemon=True).start()
    try:
        return answer.result(max(0.0, _Deadline.until - time.monotonic()))
    except TimeoutError:
        if answer.done():
            raise  # what was asked said so
        raise NoAnswer from None
