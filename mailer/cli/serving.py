"""`mailer serve`, `mailer worker`, `mailer manage`: the processes of an installation."""

import contextlib
import errno
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Exit, Problem, require_newsletter, set_up
from mailer.config import logs

if TYPE_CHECKING:
    from mailer.worker.embedded import EmbeddedWorker
    from mailer.worker.health import Heartbeat

log = logging.getLogger(__name__)

GRACE = 25  # seconds that requests have to end after SIGTERM
WORKER_GRACE = 20  # seconds, beyond MAILER_HTTP_TIMEOUT, in which a worker has surely ended after SIGTERM
REST = 2.0  # seconds before a worker that died is started again


def _start_patiently() -> None:
    """Start like other commands, but wait for a database that is restarting, as long as its pool does.

    A supervisor gives up on a process that ends at once several times in a row.
    """
    logs.run_as_service()
    require_newsletter()
    set_up()
    _warn_of_settings()
    from mailer.store.schema import bring_up_to_date

    bring_up_to_date()
    _require_new_labels()


def _start_web() -> None:
    """Start like a worker; but a web process that has the link keys on file also starts without the database.

    Subscribers leave while it is down, and their leavings are kept.
    """
    logs.run_as_service()
    require_newsletter()
    set_up()
    from django.conf import settings
    from django.db import connection

    from mailer.config import deadlines
    from mailer.store import installation
    from mailer.web import proxies
    from subscribers.offline import AWAY

    _warn_of_settings()
    proxies.warn_at_start()
    if settings.LEAVING_JOURNAL is None or not installation.is_on_file():
        _look_at_database()
        return
    try:
        with deadlines.within(5.0):
            _look_at_database()
    except AWAY as error:
        log.warning("started without a database connection", extra={"error": type(error).__name__})
        connection.close()


def _warn_of_settings() -> None:
    """Log what is probably not meant. It does not stop the process: subscribers must be able to leave all the same."""
    from django.conf import settings

    from mailer.config import environment

    if not settings.NEWSLETTERS:
        log.warning(
            f"no newsletter.toml at or above {settings.CONFIG_FOLDER}: people can unsubscribe, but not subscribe, "
            "and nothing is sent from here; start in your newsletter's folder, or set MAILER_CONFIG"
        )
    for name in environment.misnamed():
        log.warning(name)


def _look_at_database() -> None:
    from mailer.sending import clocks
    from mailer.store.schema import bring_up_to_date

    bring_up_to_date()
    clocks.Watch().look()
    _require_new_labels()


def _require_new_labels() -> None:
    """Raise CorrectSettings where newsletter.toml gives a newsletter the former label of another.

    Who unsubscribed from the one could be taken for a subscriber of the other.
    """
    from django.conf import settings

    from mailer.publishing import labels

    labels.require_new(*settings.NEWSLETTERS)


def _tell_the_terminal(sentence: str) -> None:
    """Tell a person how to stop it; in a log, the lines of gunicorn and of the worker say that it runs."""
    if sys.stderr.isatty():
        click.echo(f"mailer: {sentence} (Ctrl-C stops)", err=True)


class _Address(click.ParamType):  # type: ignore[type-arg]
    """HOST:PORT, with an IPv6 address in brackets, or unix:PATH; both as gunicorn takes them."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if re.fullmatch(r"unix:/.+", value):
            return value
        parts = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):([0-9]{1,5})", value)
        if not parts or not 1 <= int(parts[2]) <= 65535:
            self.fail(f"{value!r} is neither HOST:PORT (such as 127.0.0.1:8000 or [::1]:8000) nor unix:/PATH.")
        return value


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [default: PORT, else 8000].")
@click.option("--bind", type=_Address(), help="Address and port to listen on, or unix:/PATH of a socket.")
def serve(port: int | None, bind: str | None) -> None:
    """Run the web process: subscribe, confirm and unsubscribe pages, one-click endpoint, images.

    It listens on 127.0.0.1, or on all interfaces if PORT is set. Without a broker and on SQLite it also starts a worker
    so that one command is a complete installation.
    """
    if port and bind:
        raise click.UsageError("--bind includes the port; leave out --port.")
    _start_web()
    from django.conf import settings
    from django.db import connection, connections

    host = "0.0.0.0" if settings.PORT else "127.0.0.1"  # noqa: S104 — PORT is how a platform says that it proxies
    address = bind or f"{host}:{port or settings.PORT or 8000}"
    _require_free(address)
    small = connection.vendor == "sqlite"
    companion = _Companion() if settings.EMBEDDED and small else None
    connections.close_all()
    if not small:
        # gunicorn forks, and the threads that fill a pool stay behind: its processes would wait in vain.
        connection.close_pool()  # type: ignore[attr-defined]
    _run_gunicorn(address, companion)


def _require_free(address: str) -> None:
    """Raise Problem if the address cannot be listened on. gunicorn would try for five seconds, with ten log lines."""
    from gunicorn.util import parse_address

    name = parse_address(address)
    try:
        if isinstance(name, str):
            _require_free_path(name)
            return
        family = socket.AF_INET6 if ":" in name[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does: a closed one lingers
            asked.bind(name)
    except OSError as error:
        why = "already in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise Problem(
            f"{address} cannot be used: {why}; choose another address with --port or --bind.", Exit.USAGE
        ) from None


def _require_free_path(path: str) -> None:
    """Raise Problem if another program listens on the socket: gunicorn would remove its file anyway."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        try:
            asked.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            folder = os.path.dirname(path)
            if not os.access(folder, os.W_OK):
                raise OSError(errno.EACCES, f"{folder} cannot be written") from None
        else:
            raise OSError(errno.EADDRINUSE, "it is in use")


def _run_gunicorn(address: str, companion: "_Companion | None") -> None:
    from django.conf import settings
    from gunicorn.app.base import BaseApplication
    from gunicorn.arbiter import Arbiter

    from mailer.web import listening, tokenless

    class Web(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in {
                "bind": [address],
                "workers": settings.MAILER_WEB_PROCESSES,
                "worker_class": listening.PatientWorker,
                "logger_class": tokenless.TokenlessLog,
                "threads": settings.MAILER_WEB_THREADS,
                "worker_connections": listening.most_connections(),
                "keepalive": listening.KEPT,
                "http_parser": "python",  # mailer.web.buffering hands it bytes in memory
                "sendfile": False,  # it would send from a thread, as slowly as the client takes it
                "timeout": 60,
                "graceful_timeout": GRACE,
                "control_socket_disable": True,
                # Never the path: it holds subscribers' tokens. mailer.web.views.access_log names the route instead.
                "accesslog": None,
                # A proxy may pass on what visitors write. By SCRIPT_NAME they would reach paths that it closes to them.
                "forwarder_headers": "",
                "limit_request_line": 4094,
                "proc_name": "mailer",
            }.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)
            self.cfg.set("when_ready", lambda server: ready())

        def load(self) -> object:
            from mailer.web.wsgi import application

            return application

    def ready() -> None:
        _tell_the_terminal(f"listening on {address if address.startswith('unix:') else f'http://{address}'}")

    class Master(Arbiter):  # type: ignore[misc]
        def manage_workers(self) -> None:
            """Look, each second and when a child ends, that the web processes and the worker run."""
            super().manage_workers()
            if companion is not None:
                companion.keep_running()

        def stop(self, graceful: bool = True) -> None:
            """Stop the web processes and the worker together, so that a stop takes no longer than the slower one."""
            until = time.monotonic() + settings.MAILER_HTTP_TIMEOUT + WORKER_GRACE
            if companion is not None:
                companion.end()
            try:
                super().stop(graceful)
            finally:  # it ends by an exception if a web process cannot start
                if companion is not None:
                    companion.wait(until)

    Master(Web()).run()


class _Companion:
    """A `mailer worker` as a child process; restarted when it dies, stopped with us.

    gunicorn's own loop looks after it. A thread must not start it: a web process that is forked at that moment keeps
    the pipe open on which `Popen` waits, so the thread would not hear of its child until that web process ends.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._rests_until = float("-inf")  # time.monotonic()

    def keep_running(self) -> None:
        """Start the worker, unless it runs or ended a moment ago."""
        if self._child is not None:
            if self._child.poll() is None:
                return
            self._child, self._rests_until = None, time.monotonic() + REST
        if time.monotonic() < self._rests_until:
            return
        try:
            self._child = subprocess.Popen([sys.executable, "-P", "-m", "mailer", "worker"])
        except OSError as error:  # no memory, no descriptors
            self._rests_until = time.monotonic() + REST
            log.error("worker not started, will retry", extra={"because": error.strerror})

    def end(self) -> None:
        if self._child is not None:
            self._child.terminate()

    def wait(self, until: float) -> None:
        """Return once the worker has ended. Kill one that hangs: no request of it can be in flight any more."""
        if self._child is None:
            return
        try:
            self._child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("worker did not end in time, killed", extra={"worker": self._child.pid})
            self._child.kill()
            self._child.wait()


@click.command()
@click.option(
    "--health", is_flag=True, help="Only check the health of the worker of this MAILER_HOME; exit code 0 or 1."
)
def worker(health: bool) -> None:
    """Run a worker: it sends planned issues and confirmation emails. Run as many as you like.

    SIGTERM and Ctrl-C let the requests in flight finish.
    """
    if health:
        _tell_health()
        return
    _start_patiently()
    from django.conf import settings

    from mailer.models import Process
    from mailer.store.presence import Presence
    from mailer.worker.embedded import EmbeddedWorker

    running = EmbeddedWorker()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: running.end())
    # Whatever ends this process later, it must not leave requests in flight: their outcome would be unknown.
    with contextlib.ExitStack() as ending:
        heartbeat = _heartbeat_of(running)
        ending.callback(heartbeat.stop)
        presence = Presence(Process.Kind.WORKER, running.state)
        ending.callback(presence.stop)
        ending.callback(running.stop)
        running.start()
        heartbeat.start()
        presence.start()
        _tell_the_terminal(f"worker runs for {settings.PROVIDER}")
        running.wait()
    if running.failure:
        raise Problem(f"{running.failure}.", Exit.FAILED)


def _heartbeat_of(running: "EmbeddedWorker") -> "Heartbeat":
    """Start the heartbeat before anything is claimed: a worker that cannot write MAILER_HOME must not begin."""
    from django.conf import settings

    from mailer.worker.health import Heartbeat

    try:
        return Heartbeat(settings.HOME, running.complaints)
    except OSError as error:
        raise Problem(
            f"MAILER_HOME is {settings.HOME}, which is not writable ({error.strerror}); free some space, or choose "
            "another folder. Nothing was claimed."
        ) from error


def _tell_health() -> None:
    """Print one line, without Django: a supervisor asks every few seconds, also while the database is down."""
    from mailer.config import environment
    from mailer.worker.health import workers_of

    home = environment.home()
    try:
        found = workers_of(home)
    except OSError as error:
        raise Problem(
            f"{error.filename} cannot be read ({error.strerror}); run this as the user who runs the worker."
        ) from None
    if not found:
        raise Problem(f"no worker runs with MAILER_HOME {home}; start one with `mailer worker`.")
    sick = [f"worker {one.pid}: {one.wrong}" for one in found if one.wrong]
    if sick:
        raise Problem(f"{'. '.join(sick)}. Restart it; see its log for details.")
    click.echo(f"mailer: worker {', '.join(str(one.pid) for one in found)} is healthy")


# What a developer runs without a newsletter.
WITHOUT_DATABASE = ("help", "--help", "version", "--version", "check", "makemigrations", "makemessages")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def manage(arguments: tuple[str, ...]) -> None:
    """Run one of Django's own commands: `mailer manage migrate`."""
    if arguments and arguments[0] not in WITHOUT_DATABASE:
        require_newsletter()
    _require_somebody_to_ask(arguments)
    set_up()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["mailer manage", *arguments])


def _require_somebody_to_ask(arguments: tuple[str, ...]) -> None:
    """Refuse `createsuperuser` without a terminal: Django would skip it and name a `manage.py` that does not exist."""
    if arguments[:1] != ("createsuperuser",) or {"--noinput", "--no-input", "--help", "-h"} & set(arguments):
        return
    if not sys.stdin.isatty():
        raise Problem(
            "no account was created: there is no terminal to ask for its name and password. Run `mailer manage "
            "createsuperuser` at a terminal, or set DJANGO_SUPERUSER_USERNAME, DJANGO_SUPERUSER_EMAIL and "
            "DJANGO_SUPERUSER_PASSWORD and add --noinput.",
            Exit.USAGE,
        )
