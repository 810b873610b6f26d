"""Watch a send: progress, the equation at the end, Ctrl-C, and the exit code."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import click
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from mailer.cli.terminal import Exit, Problem, counted, write_no_more
from mailer.models import Batch, Send
from mailer.providers.current import rehearsals
from mailer.publishing.reporting import goes_out, in_words, when
from mailer.sending.accounting import count, expected, receipt
from mailer.sending.circuit_breaker import held_up
from mailer.sending.lifecycle import WrongState
from mailer.sending.steering import pause
from mailer.store import clock
from mailer.store.presence import worker_swept_lately
from subscribers import shared_files

T = TypeVar("T")
UNENDED = (Send.State.SCHEDULED, *Send.UNDER_WAY)


class _Terminated(Exception):
    """Raised at SIGTERM: stop working, and leave the send as it is."""


@contextmanager
def worker_here() -> Iterator[None]:
    """Run a worker in this process during the block, if a broker cannot reach any."""
    if not settings.EMBEDDED:
        yield
        return
    from mailer.worker.embedded import EmbeddedWorker

    worker = EmbeddedWorker()
    try:
        worker.start()
        yield
    finally:
        if in_flight := worker.stop():
            about = counted(in_flight, "request")
            click.echo(f"mailer: {about} still unanswered; mailer status shows how it ends.", err=True)


def carry_out(start: Callable[[], Send], as_json: bool) -> NoReturn:
    """Start a send with a worker running, show it until it ends or pauses, print its result and exit accordingly.

    The result is printed when nothing of ours is in flight any longer. Ctrl-C pauses the send, unless another command
    drives it: then it only stops watching. SIGTERM leaves it as it is.
    """
    carry_out_all(lambda: [start()], as_json)


def carry_out_all(start: Callable[[], Sequence[Send]], as_json: bool) -> NoReturn:
    """Do as `carry_out` for several sends; the exit code is that of the one that ended worst."""
    with worker_here():
        sends = start()
        for number, send in enumerate(sends, 1):
            if not _watch(send, sends[number:]):
                break
    sys.exit(max(_told(send, as_json) for send in sends))


def watch_only(send: Send, as_json: bool) -> NoReturn:
    """Show a send that others carry out until it ends or pauses, and its result. Ctrl-C only stops watching."""
    try:
        _follow(send)
    except KeyboardInterrupt:
        click.echo("mailer: stopped watching; the send continues.", err=True)
    finish(send, as_json)


def _watch(send: Send, others: Sequence[Send] = ()) -> bool:
    """Show a send until it ends or pauses. Return False if that was interrupted: Ctrl-C pauses the others too."""
    with _driving(send) as driving:
        _say_how_to_leave(send, driving)
        try:
            with _terminable():
                _follow(send)
            return True
        except KeyboardInterrupt:
            if driving and _fresh(send).state == Send.State.PLANNING:
                _leave_to_workers(send)
            elif driving:
                for one in (send, *others):
                    _pause_on_request(one)
            else:
                click.echo("mailer: stopped watching; the send continues.", err=True)
        except _Terminated:
            click.echo(f"mailer: stopped; `mailer send issue` or a worker continues {send.slug}.", err=True)
    return False


def _say_how_to_leave(send: Send, driving: bool) -> None:
    """Say what a schedule waits for and what Ctrl-C does, before hours of silence."""
    send = _fresh(send)
    if send.state != Send.State.SCHEDULED:
        return
    leave = (
        f"Ctrl-C pauses it: then `mailer resume {send.slug} --detach` leaves it to workers, and `mailer cancel "
        f"{send.slug}` takes it back."
        if driving
        else "Ctrl-C only stops watching."
    )
    click.echo(f"mailer: waiting; {send.slug} {goes_out(send)}. {leave}", err=True)


def finish(send: Send, as_json: bool) -> NoReturn:
    """Print the result of the send, say what is open, and exit accordingly."""
    sys.exit(_told(send, as_json))


def _told(send: Send, as_json: bool) -> int:
    """Print the result of the send, say what is open, and return the exit code."""
    send = _fresh(send)
    result = receipt(send)
    try:
        if as_json:
            click.echo(json.dumps(result, ensure_ascii=False))
        else:
            report(send)
    except BrokenPipeError:
        write_no_more()  # nobody reads any longer; the exit code still tells how the send ended
    return exit_code(send, result)


def exit_code(send: Send, result: Mapping[str, object]) -> int:
    if send.state == Send.State.SCHEDULED:
        return Exit.DONE
    if send.state not in (Send.State.FINISHED, Send.State.CANCELLED):
        return Exit.FAILED
    return Exit.OPEN_ENDS if result["rejected"] or result["unknown"] else Exit.DONE


def report(send: Send) -> None:
    """Print the progress of the send in sentences."""
    for line in in_words(send):
        click.echo(line)
    if send.is_rehearsal:
        _report_rehearsal(send)


def _report_rehearsal(send: Send) -> None:
    folder = rehearsals() / str(send.pk)
    click.echo("This was a rehearsal: no email went out.")
    mails = sorted(folder.glob("*.eml"))
    if mails:
        click.echo(
            f"The record is {_short(folder / 'accepted.jsonl')}; the first {len(mails)} emails, to open or drag:"
        )
        for path in mails[:3]:
            click.echo(f"  {_short(path)}")
        if len(mails) > 3:
            click.echo(f"  … {_short(mails[-1])}")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _follow(send: Send) -> None:
    hindrances = _Hindrances()
    rest = 0.05
    with _progress(send) as show:
        while True:
            send = _fresh(send)
            show(send)
            if send.state not in UNENDED and not _in_flight(send):
                return
            hindrances.say(send)
            time.sleep(rest)
            rest = min(1.2 * rest, 0.25)  # soon at first, for a short send; a long one is checked less often


class _Hindrances:
    """Say on stderr what keeps a watched send from going on: no worker, once a minute, and each new trouble at once."""

    def __init__(self) -> None:
        self._ask_for_workers = time.monotonic() + 60
        self._ask_for_trouble = time.monotonic() + 1
        self._said = ""

    def say(self, send: Send) -> None:
        now = time.monotonic()
        if now > self._ask_for_trouble:
            self._ask_for_trouble = now + 1
            self._say_trouble(send)
        if now > self._ask_for_workers:
            self._ask_for_workers = now + 60
            if not worker_swept_lately():
                click.echo("No worker has checked in for a minute; start one with `mailer worker`.", err=True)

    def _say_trouble(self, send: Send) -> None:
        if send.state not in Send.UNDER_WAY:
            return
        trouble = _patiently(lambda: held_up(send.account_id, clock.now()))
        if trouble and trouble.reason != self._said:
            self._said = trouble.reason
            click.echo(f"mailer: {send.slug} is held up: {trouble}. It goes on by itself.", err=True)


@contextmanager
def _progress(send: Send) -> Iterator[Callable[[Send], None]]:
    """Show the progress of a send: a bar at a terminal. Elsewhere nothing is counted, nor the bar's package loaded."""
    if not sys.stderr.isatty():
        yield lambda send: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(send.slug, total=send.planned)

        def show(send: Send) -> None:
            done, total = _patiently(partial(_progress_of, send))
            progress.update(bar, completed=done, total=total or None, description=_headline(send))

        yield show


def _progress_of(send: Send) -> tuple[int, int]:
    """Return how many subscribers are done, or planned as long as that goes on, and of how many."""
    equation, about = count(send), expected(send)
    if about is not None:
        return equation.planned, max(equation.planned, about)
    return equation.planned - equation.waiting, equation.planned


def _headline(send: Send) -> str:
    if send.state == Send.State.SCHEDULED:
        return f"{send.slug} waits: {when(send)}"
    return f"{send.slug} {send.state}"


def _in_flight(send: Send) -> int:
    return _patiently(lambda: Batch.objects.filter(send=send, state=Batch.State.POSTING).count())


def _fresh(send: Send) -> Send:
    fresh = _patiently(lambda: Send.objects.defer("html", "text", "article").filter(pk=send.pk).first())
    if fresh is None:
        raise Problem(f"{send.slug}: this rehearsal was replaced by a newer one.")
    return fresh


def _patiently(read: Callable[[], T]) -> T:
    """Read, waiting up to a minute for a database that is restarting."""
    until = time.monotonic() + 60
    while True:
        try:
            return read()
        except (OperationalError, InterfaceError):
            if time.monotonic() > until:
                raise
            connection.close()
            time.sleep(0.5)


def _leave_to_workers(send: Send) -> None:
    """Let others go on planning: a pause would take effect only after that."""
    click.echo(
        f"\nmailer: stopped watching; {send.slug} is being planned and no email has gone out. `mailer send issue` or a "
        f"worker finishes the plan and then sends it; `mailer pause {send.slug}` holds it then, `mailer cancel "
        f"{send.slug}` cancels it.",
        err=True,
    )


def _pause_on_request(send: Send) -> None:
    try:
        pause(send.pk, waiting=say_waiting)
    except WrongState:
        return  # it ended in the meantime
    except KeyboardInterrupt:
        # It is paused already; only the answers of the last requests were waited for, and a worker still takes them.
        click.echo(f"\nmailer: {send.slug} is paused; `mailer resume {send.slug}` resumes it.", err=True)


def say_waiting(in_flight: int) -> None:
    click.echo(f"mailer: waiting for {counted(in_flight, 'request')} in flight", err=True)


@contextmanager
def _driving(send: Send) -> Iterator[bool]:
    """Yield True for the one command that drives this send on this machine; others only watch."""
    folder = Path(settings.HOME) / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"send-{send.pk}.lock"
    with shared_files.locked_if_free(path) as free:
        yield free
        if free:
            path.unlink(missing_ok=True)


@contextmanager
def _terminable() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
