"""Writers queue for SQLite within a process and between processes, and none blocks the queue for good."""

import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from django.db import OperationalError, connection, transaction

from mailer.models import Installation
from mailer.sqlite import base
from mailer.sqlite.base import DatabaseWrapper, next_of_all
from tests import parts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sqlite():
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has many writers")


def taken() -> bool:
    return DatabaseWrapper._turns[str(connection.settings_dict["NAME"])].locked()


def ends_well():
    with transaction.atomic():
        assert taken()
        with transaction.atomic():
            Installation.objects.update(link_keys=["22" * 32])


def fails():
    with transaction.atomic():
        Installation.objects.update(link_keys=["22" * 32])
        raise LookupError


def loses_its_connection():
    with transaction.atomic():
        assert taken()
        connection.close()
        raise LookupError


def fails_after_the_commit():
    with transaction.atomic():
        transaction.on_commit(fails)


@pytest.mark.parametrize("write", [ends_well, fails, loses_its_connection, fails_after_the_commit])
def test_a_writer_leaves_the_line_when_done(write):
    for _ in range(2):
        with suppress(LookupError):
            write()
        assert not taken()


def in_a_thread(write):
    try:
        write()
    finally:
        connection.close()


def test_writers_that_come_at_once_all_get_their_turn(monkeypatch):
    options = connection.settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "timeout", 0.0)
    arrived, writing = threading.Barrier(8, timeout=60), []

    def write():
        Installation.objects.get()  # opens the connection: on it SQLite would refuse all but one
        arrived.wait()
        options["timeout"] = 20.0
        with transaction.atomic():
            writing.append(1)
            Installation.objects.update(link_keys=["22" * 32])
            assert len(writing) == 1
            writing.pop()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(in_a_thread, [write] * 8))


def test_whose_turn_does_not_come_hears_that_the_file_is_locked(monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        Installation.objects.update(link_keys=["22" * 32])
        with pytest.raises(OperationalError, match="locked"):
            pool.submit(in_a_thread, ends_well).result()
    assert not taken()


class OfAnotherProcess(DatabaseWrapper):
    """A connection that shares no queue in memory with others, like one of another process."""

    _turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def test_a_process_that_writes_without_pause_lets_another_one_in_between(monkeypatch):
    """SQLite alone lets a waiting writer sleep longer and longer while the other takes turn after turn.

    Turns are counted while the waiting one is next of all: before that a busy machine may leave it no moment.
    """
    assert Installation.objects.update(link_keys=["22" * 32])
    begun, over, waited, written, this = threading.Event(), threading.Event(), [], 0, threading.get_ident()

    def write_without_pause():
        nonlocal written
        busy = OfAnotherProcess(connection.settings_dict)
        while not over.is_set():
            with transaction_of(busy) as cursor:
                cursor.execute("UPDATE mailer_installation SET link_keys = link_keys")
                time.sleep(0.002)  # as long as a disk takes
            written += 1
            begun.set()
        busy.close()

    @contextmanager
    def counting(path, until):
        with next_of_all(path, until):
            before = written
            yield
            if threading.get_ident() == this:
                waited.append(written - before)

    monkeypatch.setattr(base, "next_of_all", counting)
    monkeypatch.setattr(base, "EAGER", 0.0)
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write_without_pause)
        assert begun.wait(60)
        try:
            for _ in range(30):
                time.sleep(0.005)  # the other one is in the middle of it again
                with transaction.atomic():
                    Installation.objects.update(link_keys=["22" * 32])
        finally:
            over.set()
        writer.result()
    assert len(waited) > 30  # it did not always get its turn at once
    assert max(waited) <= 2  # one that was writing, one that was about to begin


@contextmanager
def transaction_of(other):
    other.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    with other.cursor() as cursor:
        yield cursor
    other.commit()
    other.set_autocommit(True)


def test_writers_go_on_where_the_file_of_the_line_cannot_be_made(monkeypatch, tmp_path):
    with next_of_all(str(tmp_path / "not" / "there"), time.monotonic() + 60):
        ends_well()


INSERT_ROWS = """
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("CREATE TEMPORARY TABLE some (number INTEGER)")
    cursor.execute("INSERT INTO some VALUES (1)")
    print(cursor.rowcount)
"""


def test_inserted_rows_are_counted_in_a_turkish_terminal(tmp_path):
    turkish = parts.turkish(tmp_path) | {"MAILER_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", INSERT_ROWS], env=os.environ | turkish, capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("1\n", "")
