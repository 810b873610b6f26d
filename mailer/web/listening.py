"""What `mailer serve` changes in gunicorn: slow clients hold no thread.

A client that sends a request, takes an answer or is silent costs a descriptor and some memory, never a thread; each of
these has a limit. When something runs short, the connection that has been at it longest is closed, so that quick
clients get through however many are slow.
"""

import contextlib
import gc
import logging
import resource
import selectors
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.conf import settings
from gunicorn.workers.gthread import ThreadWorker

from mailer.config.exhaustion import shortage
from mailer.models import Process
from mailer.store import journals
from mailer.store.presence import Presence
from mailer.web import proxies
from mailer.web.connections import CONTINUE, PIECE, TOO_SLOW, Connection
from mailer.web.keeping import Keeper

log = logging.getLogger(__name__)

RECEIVED = 10.0  # seconds in which a request must have come in whole
TAKEN = 60.0  # seconds in which its answer must have been taken
KEPT = 75  # seconds that a connection stays open for a next request
LINGERS = 2.0  # seconds that a client has to hang up after the last answer, which it would lose if we hung up first
INCOMPLETE = 50  # requests of one network that may be on their way to one process
CONNECTIONS = 1000  # of one process
SPARE = 100  # descriptors of a process for all but connections
MEMORY = 64_000_000  # bytes of requests and answers on their way that one process keeps
GARBAGE = 8_000_000  # bytes of requests that were answered, after which Python looks for what still refers to them
LEFT_TO_OTHERS = 0.05  # seconds that a process without a thread to spare leaves new connections to others
LOGGED_EVERY = 60.0  # seconds


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """Hands complete requests to threads, and sends the rest of a response once the thread is done."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._short = False  # the last connection could not be accepted
        self._stopped = False  # listening
        self._full_since: float | None = None  # since then all threads are busy
        self._answered = 0  # bytes of requests, since the last look for garbage
        self._waiting: dict[Connection, None] = {}  # for their clients, the longest first; idle ones are gunicorn's
        self._busy: set[Connection] = set()  # a thread has them, or will have
        self._incomplete: Counter[str] = Counter()  # network → requests on their way
        self._closed: Counter[str] = Counter()  # why → connections, since it was logged
        self._swept, self._logged, self._hastened = 0.0, -LOGGED_EVERY, False

    def run(self) -> None:
        presence, keeper = Presence(Process.Kind.WEB, lambda: journals.state() | proxies.state()), Keeper()
        presence.start()
        keeper.start()
        # What is here now stays; to look for garbage takes a moment, and not the longer the more code there is.
        gc.collect()
        gc.freeze()
        try:
            super().run()
        finally:
            keeper.stop()
            presence.stop()

    def init_process(self) -> None:
        """Start, or end for lack of descriptors or memory, so that gunicorn starts another process.

        By itself gunicorn takes that for a fault of the application and ends as a whole.
        """
        try:
            super().init_process()
        except (OSError, MemoryError, RuntimeError) as error:
            if self.booted or not (reason := shortage(error)):
                raise
            log.error("web process failed to start, starting another", extra={"because": reason})
            time.sleep(1)
            sys.exit(1)

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Start all threads now: a request must not find that there is no memory for one."""
        pool: ThreadPoolExecutor = super().get_thread_pool()
        all_run = threading.Barrier(self.cfg.threads + 1)
        try:
            for _ in range(self.cfg.threads):
                pool.submit(all_run.wait)
        except BaseException:
            all_run.abort()
            raise
        all_run.wait()
        return pool

    # ---------------------------------------------------------------- from the client to a thread

    def accept(self, listener: Any) -> bool:
        """Accept a connection; return False if none is there, or no descriptor is free: gunicorn would exit then."""
        if listener not in self.sockets:  # a request that came round with it stopped the listening
            return False
        try:
            opened, client = listener.accept()
            connection = Connection(self.cfg, opened, client, listener.getsockname())
        except ConnectionAbortedError:  # this one is gone, and another may be there
            return True
        except BlockingIOError:
            return False
        except (OSError, MemoryError, RuntimeError) as error:
            if not (reason := shortage(error)):
                raise
            if not self._short:
                log.error("connections not accepted, out of resources", extra={"because": reason})
            self._short = True
            if self._make_room():
                return True
            time.sleep(0.1)  # it is still there when the loop comes round
            return False
        self._short = False
        self.nr_conns += 1
        while self.nr_conns >= self.worker_connections and self._make_room():
            """The next one finds room, too, so that none waits to be accepted."""
        self._begin(connection)
        return True

    def set_accept_enabled(self, enabled: bool) -> None:
        """Leave new connections, while all threads are busy, for a moment to processes that have a free one.

        Not for longer, or a client that keeps the threads busy would keep everybody else out: an accepted connection
        has its turn after those before it.
        """
        super().set_accept_enabled(enabled and self.alive and not self._leaves_to_others())
        if not self.alive and not self._stopped:
            self._stopped = True  # accepting ends here, too
            self._stop_listening()

    def is_parent_alive(self) -> bool:
        """Stop as for a signal if gunicorn's main process was killed."""
        if super().is_parent_alive():
            return True
        self.alive = False
        return False

    def _stop_listening(self) -> None:
        """Take the connections that wait, and no more: gunicorn listens until it ends, and then cuts off who came.

        A client that was refused, and a proxy most of all, asks again; one that was cut off may not.
        """
        for listener in self.sockets:
            listener.setblocking(False)
            while self.nr_conns < self.worker_connections and self.accept(listener):
                """The next one, as long as there is room."""
            listener.close()
        self.sockets.clear()

    def _leaves_to_others(self) -> bool:
        if not self._is_full():
            self._full_since = None
            return False
        now = time.monotonic()
        self._full_since = self._full_since or now
        return now < self._full_since + LEFT_TO_OTHERS

    def _is_full(self) -> bool:
        threads: int = self.cfg.threads
        return len(self._busy) >= threads

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        if conn not in self.keepalived_conns:  # it was closed by what was readable, too
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._begin(conn)

    def _begin(self, connection: Connection) -> None:
        """Count a request of this connection as in progress."""
        connection.parser.begin()
        connection.incomplete = True
        if not settings.MAILER_PROXIES and connection.network:  # else it is that of a proxy, for everybody
            if self._incomplete[connection.network] >= INCOMPLETE:
                self._refuse(self._longest(connection.network), "many from one network")
            self._incomplete[connection.network] += 1
        self._wait_for(connection, selectors.EVENT_READ, self._receive, RECEIVED)
        if connection.parser.held():
            self._look(connection)
        if connection in self._waiting:
            self._receive(connection)

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.receive()
            connection.parser.put(data or b"")
        except (OSError, MemoryError):
            self._drop(connection)
            return
        if data:
            self._look(connection)
        elif data is not None and connection.parser.has_begun():
            self._hand_over(connection)  # it breaks off, and gunicorn says what that means
        elif data is not None:
            self._drop(connection)

    def _look(self, connection: Connection) -> None:
        if connection.parser.is_whole():
            self._hand_over(connection)
            return
        if connection.parser.takes_continue():
            with contextlib.suppress(OSError):
                connection.sock.sendall(CONTINUE)
        if connection.held() > PIECE:
            self._keep_within_memory()

    def _hand_over(self, connection: Connection) -> None:
        self._wait_no_more(connection)
        self._busy.add(connection)
        connection.handed = int(connection.parser.held())
        self.set_accept_enabled(self._accepting)
        self.enqueue_req(connection)

    # ---------------------------------------------------------------- from a thread to the client

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Send what the client reads of the thread's response; the rest is sent as it reads on."""
        self._busy.discard(conn)
        self._collect_garbage(conn.handed)
        if conn.sock.fileno() < 0:  # gunicorn closed it, as an answer that broke off
            self.nr_conns -= 1
            return
        conn.kept = not fs.cancelled() and fs.exception() is None and bool(fs.result())
        self._wait_for(conn, selectors.EVENT_WRITE, self._send, TAKEN)
        self._send(conn)
        if conn.held() > PIECE:
            self._keep_within_memory()

    def _collect_garbage(self, answered: int) -> None:
        """Free large requests now: Python frees cycles late, and counts objects, not bytes."""
        self._answered += answered
        if self._answered >= GARBAGE:
            self._answered = 0
            gc.collect()

    def _send(self, connection: Connection) -> None:
        try:
            if not connection.sock.flush():
                return
        except OSError:
            self._drop(connection)
            return
        self._wait_no_more(connection)
        crowded = connection.parser.held() > 0 and self._is_full()  # it sent more, and others wait for their first
        if not connection.kept or crowded:
            self._say_goodbye(connection)
        elif connection.parser.held():
            self._begin(connection)
        else:
            self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        connection.set_timeout()
        if not self.alive:
            connection.timeout = min(connection.timeout, time.monotonic() + LINGERS)
        self.keepalived_conns.append(connection)
        readable = partial(self.on_client_socket_readable, connection)
        self.poller.register(connection.sock, selectors.EVENT_READ, readable)

    def _say_goodbye(self, connection: Connection) -> None:
        """Close, but read for a moment what the client still sends; otherwise the kernel would drop our response."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        self._wait_for(connection, selectors.EVENT_READ, self._ignore, LINGERS)

    def _ignore(self, connection: Connection) -> None:
        try:
            heard = connection.receive()
        except OSError:
            heard = b""
        if heard == b"":
            self._drop(connection)

    # ---------------------------------------------------------------- clients that take too long

    def murder_pending(self) -> None:
        """Close connections that have waited long enough; gunicorn calls this at least once a second."""
        now = time.monotonic()
        if now < self._swept + 0.5:
            return
        self._swept = now
        for connection in [one for one in self._waiting if one.until <= now]:
            if connection.incomplete:
                self._refuse(connection, "slow to send")
            else:
                self._drop(connection, "slow to take" if connection.sock.size else "")
        if not self.alive and not self._hastened:
            self._hasten(now)
        if self._closed and now > self._logged + LOGGED_EVERY:
            log.warning("slow connections closed", extra=_as_keys(self._closed))
            self._closed.clear()
            self._logged = now

    def _hasten(self, now: float) -> None:
        """Shorten the waits of a stopping process, most of all for clients that have sent nothing."""
        self._hastened = True
        for connection in self._waiting:
            says_nothing = connection.incomplete and not connection.parser.has_begun()
            connection.until = min(connection.until, now + (LINGERS if says_nothing else RECEIVED))

    def _make_room(self) -> bool:
        """Close the connection that matters least. Return whether there was one."""
        if self.keepalived_conns:
            connection = self.keepalived_conns.popleft()
            self.poller.unregister(connection.sock)
            self._close(connection)
            return True
        longest = next(iter(self._waiting), None)
        if longest is not None:
            self._refuse(longest, "no room")
        return longest is not None

    def _keep_within_memory(self) -> None:
        held = sum(connection.held() for connection in self._waiting)
        held += sum(connection.handed + connection.sock.size for connection in self._busy)
        for connection in [one for one in self._waiting if one.held() > PIECE]:
            if held <= MEMORY:
                return
            held -= connection.held()
            self._refuse(connection, "no memory")

    def _longest(self, network: str) -> Connection:
        """Return this network's request that has been incomplete the longest: never that of a fast neighbour."""
        return next(one for one in self._waiting if one.incomplete and one.network == network)

    def _refuse(self, connection: Connection, why: str) -> None:
        if connection.incomplete and connection.parser.has_begun():
            with contextlib.suppress(OSError):
                connection.sock.sendall(TOO_SLOW)
                connection.sock.shutdown(socket.SHUT_WR)
                connection.receive()  # what is left unread would take the answer back
        self._drop(connection, why)

    def _drop(self, connection: Connection, why: str = "") -> None:
        if why:
            self._closed[why] += 1
        self._wait_no_more(connection)
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        self.nr_conns -= 1
        connection.close()

    # ---------------------------------------------------------------- what is waited for

    def _wait_for(self, connection: Connection, event: int, act: Callable[[Connection], None], patience: float) -> None:
        connection.until = time.monotonic() + (patience if self.alive else min(patience, RECEIVED))
        self._waiting[connection] = None

        def come_round(_: Any) -> None:
            if connection in self._waiting:  # else it was closed for another one that came round with it
                act(connection)

        self.poller.register(connection.sock, event, come_round)

    def _wait_no_more(self, connection: Connection) -> None:
        del self._waiting[connection]
        self.poller.unregister(connection.sock)
        if connection.incomplete:
            connection.incomplete = False
            if connection.network in self._incomplete:
                self._incomplete[connection.network] -= 1
                if not self._incomplete[connection.network]:
                    del self._incomplete[connection.network]


def most_connections() -> int:
    """Return how many connections a process keeps open, so that descriptors are left for the database and files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(SPARE // 2, min(CONNECTIONS, soft - SPARE))


def _as_keys(closed: Counter[str]) -> dict[str, int]:
    return {why.replace(" ", "_"): number for why, number in closed.items()}
