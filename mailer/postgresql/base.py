"""Django's PostgreSQL, whose connections keep the deadline of the web request that uses them (`config.deadlines`)."""

import time
from typing import Any

from django.db import OperationalError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

from mailer.config import deadlines
from mailer.store import losses

Base: Any = base.DatabaseWrapper  # django-stubs knows nothing of its pool


HUNG = 1.0  # seconds; a server that is silent for longer hung, and web processes gave up on it


class TimedConnection(Connection[Any]):
    """Lets the deadline run while it waits for the server, and not in between."""

    def wait(self, *given: Any, **named: Any) -> Any:
        with deadlines.waiting():
            return super().wait(*given, **named)


class Pool(ConnectionPool[Any]):
    """Waits no longer than the deadline, also while it checks whether a connection still works."""

    def getconn(self, timeout: float | None = None) -> Any:
        with deadlines.waiting():
            return super().getconn(deadlines.shortened(self.timeout if timeout is None else timeout))

    @staticmethod
    def check_connection(conn: Any) -> None:
        if deadline := deadlines.current():
            deadline.watch(conn)
        begun = time.monotonic()
        try:
            ConnectionPool.check_connection(conn)
        except Exception:
            losses.lost()
            raise
        if time.monotonic() - begun > HUNG:
            losses.lost()


class DatabaseWrapper(Base):  # type: ignore[misc]
    @property
    def pool(self) -> Pool | None:
        """Return the pool that Django would make, of our class."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        if self.alias not in self._connection_pools:
            pool = Pool(
                kwargs=self.get_connection_params() | {"autocommit": True},
                connection_class=TimedConnection,
                open=False,
                configure=self._configure_connection,
                check=Pool.check_connection,
                **options,
            )
            self._connection_pools.setdefault(self.alias, pool)
        found: Pool = self._connection_pools[self.alias]
        return found

    def get_new_connection(self, conn_params: Any) -> Any:
        if deadlines.refused():
            raise OperationalError("the database was unavailable a moment ago")
        deadline = deadlines.current()
        try:
            connection = super().get_new_connection(conn_params)
        except (self.Database.OperationalError, self.Database.InterfaceError):
            losses.lost()
            if deadline:
                deadlines.breaker.open()
            raise
        if deadline:
            deadline.reached = True
        return connection

    def _close(self) -> None:
        if self.connection is not None and self.connection.broken:
            losses.lost()
        if deadline := deadlines.current():
            deadline.release()
            if deadline.cancelled and self.connection is not None:
                self.connection.close()  # the pool creates a new one one
        super()._close()
