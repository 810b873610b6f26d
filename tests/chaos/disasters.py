"""The disasters of a run. Each takes the run and returns when it is over; the seed decides when it starts."""

import contextlib
import signal
import sqlite3
import time
from collections.abc import Callable

from tests import events
from tests.chaos.leaving import leave_while_away
from tests.chaos.run import HOURS_OFF, LEASE, Hand, Run
from tests.processes.starving import starved

# Each with the options that make it end; `times` and moments come from the seed.
FAULTS: dict[str, dict[str, object]] = {
    "too many": {"seconds": 1},
    "error before accepting": {},
    "error after accepting": {},
    "close before accepting": {},
    "close after accepting": {},
    "hang before accepting": {"seconds": 3},
    "hang after accepting": {"seconds": 3},
    "late": {"seconds": 2.5},
    "trickle": {"seconds": 0.1},
    "cut status line": {},
    "cut headers": {},
    "cut body": {"status": 500},
    "redirect": {},
    "200": {},
    "answer": {"status": 404, "body": "no such page"},
    "unauthorized": {},
    "no credits": {},
    "forbidden": {},
    "too large": {},
    "too large early": {},
    "close when idle": {},
}


def kill_now(run: Run) -> None:
    run.progress(run.random.randint(1, 3))
    run.moment()
    run.kill(run.random.choice(run.hands))


def kill_after_acceptance(run: Run) -> None:
    """Kill every sender after the provider accepted a request, so that the response is lost."""
    _kill_in_request(run, "hang after accepting")


def kill_before_acceptance(run: Run) -> None:
    _kill_in_request(run, "hang before accepting")


def _kill_in_request(run: Run, fault: str) -> None:
    run.progress()
    run.api.fail(fault, seconds=5)
    run.until(lambda: not run.api.faults or run.is_over(), 5)
    # Which of them asks is not known here, so all die: the kill must not depend on luck.
    for hand in run.hands:
        run.kill(hand)
    with run.api.lock:
        run.api.faults.clear()  # nobody asked in time


def stall(run: Run) -> None:
    """Stop a process, as a closed laptop or a swapping machine does, and wake it when its lease is over."""
    run.progress()
    run.moment()
    hand = run.random.choice(run.hands)
    if hand.signal(signal.SIGSTOP):
        time.sleep(run.random.choice([1.0, LEASE + 0.5, LEASE + 2.0]))
        hand.signal(signal.SIGCONT)


def fault(run: Run) -> None:
    name = run.random.choice(sorted(FAULTS))
    run.story[-1] = name
    run.api.fail(name, times=run.random.randint(1, 2), **FAULTS[name])
    run.progress(2)


def refuse(run: Run) -> None:
    run.progress()
    run.api.refuse_connections()
    time.sleep(run.random.uniform(0.2, 1.5))
    run.api.listen()


def readers_leave(run: Run) -> None:
    """Unsubscribe waiting subscribers with the command, which confirms it by returning."""
    run.progress()
    waiting = sorted(email for email, outcome, _ in run.ledger.deliveries() if outcome == "planned")
    for reader in run.random.sample(waiting, min(2, len(waiting))):
        if run.stage.run("subscribers", "unsubscribe", reader, expect=None).code == 0:
            run.left.setdefault(reader, time.time())


def events_early(run: Run) -> None:
    """Report events while other requests are in flight, and for requests whose sender just died."""
    run.progress()
    base = run.serve()
    with run.api.lock:
        accepted = list(run.api.accepted)
    told = events.events_of(run.random.sample(accepted, min(10, len(accepted))))
    status = events.post(base, run.keys, told)
    assert status in (204, 503), f"the webhook answered {status}"  # 503: the database is down, SendGrid repeats


def deaf_webhook(run: Run) -> None:
    """Let events reach nobody: a wrong key, a wrong address, or no web process."""
    run.progress()
    why = run.random.choice(["key", "address", "process"])
    run.story[-1] = f"deaf webhook: {why}"
    if why == "process":
        run.kill(run.web)
        return
    base = run.serve()
    with run.api.lock:
        told = events.events_of(run.api.accepted)[:1000]
    if why == "address":
        base = f"{base}/another"
    status = events.post(base, events.EventKeys(), told)
    assert status in (403, 404, 503), f"the webhook answered {status}"


def kill_web(run: Run) -> None:
    run.progress()
    run.moment()
    run.kill(run.web)


def flush_broker(run: Run) -> None:
    import redis

    assert run.broker is not None
    run.progress()
    with contextlib.suppress(redis.RedisError):
        redis.Redis.from_url(run.broker.url).flushall()


def restart_broker(run: Run) -> None:
    assert run.broker is not None
    run.progress()
    run.broker.stop()
    run.moment(1.5)
    run.broker.start()


def stop_broker(run: Run) -> None:
    """Stop the broker for good: the database is the queue, and the workers go on."""
    assert run.broker is not None
    run.progress()
    run.broker.stop()


def second_installation(run: Run) -> None:
    """Let workers of another newsletter.toml and key use the same database and broker, and stay.

    The provider knows that key as another customer's, or not at all.
    """
    if run.random.choice([True, False]):
        run.api.other_keys.add(run.foreign_key)
    for home in ("foreign0", "foreign1"):
        run.second.start("worker", home=home)
    run.progress(2)


def restart_postgres(run: Run) -> None:
    """Restart the server as after a power cut: connections break wherever they are, also at COMMIT."""
    assert run.postgres is not None
    run.progress()
    run.moment()
    run.postgres.end_at_once()
    run.moment(1.5)
    run.postgres.start()


def lock_sqlite(run: Run) -> None:
    """Hold the write lock for some seconds, as a backup tool does."""
    run.progress()
    with contextlib.closing(sqlite3.connect(run.ledger.file, timeout=20, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(run.random.uniform(0.5, LEASE))
        other.execute("ROLLBACK")


def roll(run: Run) -> None:
    """End each worker by SIGTERM and start another in its place, while there is work."""
    for hand in run.hands:
        run.progress(2)
        assert hand.process is not None
        run.stage.stop(hand.process)
        run.tend()


def move_clock(run: Run) -> None:
    """Let a machine's clock jump while its processes run, and perhaps back. One worker's stays right, to send."""
    run.progress()
    run.moment()
    home = run.random.choice(sorted(run.clocks))
    if home in {hand.home for hand in run.hands}:
        for hand in run.hands:
            run.clocks[hand.home].move(hours=0)
    hours = run.random.choice(HOURS_OFF)
    run.story[-1] = f"clock of {home} {hours:+} h"
    run.clocks[home].move(hours=hours)
    time.sleep(run.random.uniform(0.5, LEASE))
    if run.random.random() < 0.5 or not run.kind.distributed:
        run.clocks[home].move(hours=0)


def _at_work(run: Run) -> Hand:
    """Return a sender that has started, since an earlier kill may have left three open requests and no sender."""
    run.progress(4, patience=20)
    run.moment()
    return run.random.choice(run.hands)


def exhaust_descriptors(run: Run) -> None:
    """Let a running process open no more files and connections for some seconds."""
    hand = _at_work(run)
    if hand.lives:
        assert hand.process is not None
        with starved(hand.process):
            time.sleep(run.random.uniform(0.5, LEASE + 2.0))


def fill_disk(run: Run) -> None:
    """Fill MAILER_HOME's disk for some seconds, perhaps also for a process that starts meanwhile."""
    hand = _at_work(run)
    disk = run.disks[hand.home]
    disk.fill()
    if run.random.random() < 0.5:
        run.story[-1] = "fill_disk, killed meanwhile"
        run.kill(hand)
        run.tend()
    disk.keep_full(run.random.uniform(0.5, LEASE + 2.0))


DISASTERS: dict[str, Callable[[Run], None]] = {
    act.__name__: act
    for act in (
        kill_now,
        kill_after_acceptance,
        kill_before_acceptance,
        stall,
        fault,
        refuse,
        readers_leave,
        events_early,
        deaf_webhook,
        kill_web,
        flush_broker,
        restart_broker,
        stop_broker,
        second_installation,
        restart_postgres,
        leave_while_away,
        lock_sqlite,
        move_clock,
        exhaust_descriptors,
        fill_disk,
        roll,
    )
}
