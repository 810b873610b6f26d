"""An outage is logged once when it begins and once when it ends, by whichever part of a worker notices."""

import errno
import logging
import os

import pytest
from django.db import OperationalError, connection

from mailer import concurrency
from mailer.store import interruptions
from mailer.store.interruptions import failed, over
from tests.mailer.store.test_presence import until

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO, logger=interruptions.__name__)
    return lambda: [(record.levelname, record.where, getattr(record, "because", "")) for record in caplog.records]


def test_many_failures_are_one_line_and_their_end_another(told):
    for _ in range(3):
        assert failed(OperationalError("the database system is starting up")) == "the database system is starting up"
    over()
    over()
    where = interruptions.database_address()
    assert told() == [("WARNING", where, "the database system is starting up"), ("INFO", where, "")]


def test_a_full_disk_is_named_with_its_place(told):
    failed(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/var/lib/mailer/run/x.owner"))
    assert told() == [("WARNING", "/var/lib/mailer/run/x.owner", "No space left on device")]


def test_no_row_that_postgresql_shows_reaches_the_log(told):
    failed(OperationalError("could not extend file\nDETAIL:  Failing row contains (12, Ada Lovelace)."))
    assert told()[0][2] == "could not extend file"


@pytest.mark.django_db(transaction=True)
def test_a_slot_that_loses_the_database_says_no_more_than_the_sweep(told):
    def lose():
        raise OperationalError("server closed the connection unexpectedly")

    concurrency.mails.open()
    concurrency.mails.run_aside(lose)
    until(told)
    assert [level for level, _, _ in told()] == ["WARNING"]


def test_a_server_that_refuses_is_quoted(told, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is a file")
    nowhere = connection.get_connection_params() | {"host": "127.0.0.1", "port": 1}
    monkeypatch.setattr(connection, "get_connection_params", lambda: nowhere)
    failed(OperationalError("couldn't get a connection after 10.00 sec"))
    assert "Connection refused" in told()[0][2]
