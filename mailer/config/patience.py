"""Limit how long one check waits for answers from elsewhere, however many questions it asks."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

PATIENCE = 5.0  # seconds

T = TypeVar("T")


class NoAnswer(Exception):
    """The other side did not answer in time."""

    def __init__(self) -> None:
        super().__init__(f"no answer within {PATIENCE:g} seconds")


class _Deadline:
    until: float | None = None  # by time.monotonic(); None while no check is under way


@contextmanager
def patiently() -> Iterator[None]:
    """Give all questions in the block the patience of one check."""
    _Deadline.until = time.monotonic() + PATIENCE
    try:
        yield
    finally:
        _Deadline.until = None


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
