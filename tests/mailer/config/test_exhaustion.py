"""An exhausted resource is told apart from every other error, and the process pauses for it."""

import errno
import os
import socket
import time

import pytest

from mailer.config import exhaustion
from mailer.config.exhaustion import shortage
from tests.exhausting import no_descriptors


def wrapped(error: Exception) -> Exception:
    try:
        try:
            raise error
        except Exception as cause:
            raise ValueError("a library's own words") from cause
    except ValueError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "no file descriptors left (raise its limit"),
        (OSError(errno.ENFILE, "Too many open files in system"), "this machine has no file descriptors left"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "no memory left"),
        (OSError(errno.ENOBUFS, "No buffer space"), "no memory left for the network"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign"), "no free port"),
        (socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"), "no memory left"),
        (MemoryError(), "no memory left"),
        (RuntimeError("can't start new thread"), "cannot start more threads"),
        (wrapped(MemoryError()), "no memory left"),
    ],
)
def test_a_shortage_is_named(error, words):
    assert words in shortage(error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        OSError(errno.ENOSPC, "full"),
        TypeError("a defect"),
        RuntimeError("another"),
        socket.gaierror(socket.EAI_NONAME, "no such name"),
        wrapped(KeyError("x")),
        None,
    ],
)
def test_everything_else_is_none(error):
    assert shortage(error) == ""


def test_whether_a_descriptor_is_left_is_found_out_without_keeping_any():
    before = len(os.listdir("/dev/fd"))
    assert exhaustion.no_descriptor() is None
    with no_descriptors():
        found = exhaustion.no_descriptor()
    assert found is not None
    assert found.errno == errno.EMFILE
    assert len(os.listdir("/dev/fd")) == before


def test_a_process_rests_longer_each_time_and_slots_that_fail_together_count_once(monkeypatch, caplog):
    now = time.monotonic()
    monkeypatch.setattr(exhaustion.time, "monotonic", lambda: now)
    backoff = exhaustion._Backoff()
    rests = []
    for _ in range(9):
        for _ in range(4):
            backoff.lengthen()
        rests.append(backoff._until - now)
        now = backoff._until + 0.01
    assert all(
        0.75 * wanted <= rest <= wanted for rest, wanted in zip(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True)
    )
    assert backoff.end() == 9
    assert not backoff.rests()


def test_the_first_shortage_is_logged_and_so_is_its_end(caplog):
    exhaustion.recovered()
    caplog.clear()
    exhaustion.ran_out(exhaustion.NO_MEMORY)
    exhaustion.ran_out(exhaustion.NO_MEMORY)
    assert exhaustion.rests()
    exhaustion.recovered()
    exhaustion.recovered()
    assert not exhaustion.rests()
    assert [record.message for record in caplog.records] == ["worker paused, out of resources", "worker resumed"]
