"""How much a process does at a time, and that nothing starts after a stop."""

import threading
import time

from mailer.concurrency import Slots


def soon() -> float:
    return time.monotonic() + 60


def test_there_are_only_so_many_slots():
    slots = Slots("test", lambda: 2)
    with slots.slot() as first, slots.slot() as second, slots.slot() as third:
        assert (first, second, third) == (True, True, False)
        assert (slots.busy, slots.free) == (2, 0)
    assert (slots.busy, slots.free) == (0, 2)


def test_a_slot_is_given_back_by_work_that_fails():
    slots = Slots("test", lambda: 1)
    for _ in range(3):
        slots.run_aside(lambda: 1 / 0)
        assert slots.wait_until_idle(soon()) == 0
    assert slots.free == 1


def test_after_a_stop_nothing_begins_and_what_is_in_flight_is_waited_for():
    """The barrier holds work that was handed out but has not begun: it must find the slots closed."""
    slots, begun = Slots("test", lambda: 8), []
    handed_out, may_begin, may_end = threading.Event(), threading.Event(), threading.Event()

    def in_flight() -> None:
        begun.append("in flight")
        handed_out.set()
        may_end.wait(60)

    def late() -> None:
        may_begin.wait(60)
        with slots.slot() as taken:
            if taken:
                begun.append("late")

    slots.run_aside(in_flight)
    waiting = threading.Thread(target=late)
    waiting.start()
    assert handed_out.wait(60)
    slots.stop()
    assert slots.wait_until_idle(time.monotonic() + 0.05) == 1, "it does not say that all is over"
    may_begin.set()
    waiting.join(60)
    may_end.set()
    assert slots.wait_until_idle(soon()) == 0
    assert begun == ["in flight"]
    slots.open()
    with slots.slot() as taken:
        assert taken
