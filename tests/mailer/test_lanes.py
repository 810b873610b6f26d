"""What a process does at a time, and that nothing of it begins after a stop."""

import threading
import time

from mailer.lanes import Lanes


def soon() -> float:
    return time.monotonic() + 10


def test_there_are_only_so_many_lanes():
    lanes = Lanes("test", lambda: 2)
    with lanes.lane() as first, lanes.lane() as second, lanes.lane() as third:
        assert (first, second, third) == (True, True, False)
        assert (lanes.busy, lanes.free) == (2, 0)
    assert (lanes.busy, lanes.free) == (0, 2)


def test_a_lane_is_given_back_by_work_that_fails():
    lanes = Lanes("test", lambda: 1)
    for _ in range(3):
        lanes.run_aside(lambda: 1 / 0)
        assert lanes.wait_until_idle(soon()) == 0
    assert lanes.free == 1


def test_after_a_stop_nothing_begins_and_what_is_in_flight_is_waited_for():
    """The barrier stands where work was handed out and has not begun: that work must find the lanes closed."""
    lanes, begun = Lanes("test", lambda: 8), []
    handed_out, may_begin, may_end = threading.Event(), threading.Event(), threading.Event()

    def in_flight() -> None:
        begun.append("in flight")
        handed_out.set()
        may_end.wait(10)

    def late() -> None:
        may_begin.wait(10)
        with lanes.lane() as taken:
            if taken:
                begun.append("late")

    lanes.run_aside(in_flight)
    waiting = threading.Thread(target=late)
    waiting.start()
    assert handed_out.wait(10)
    lanes.stop()
    assert lanes.wait_until_idle(time.monotonic() + 0.05) == 1, "it does not say that all is over"
    may_begin.set()
    waiting.join(10)
    may_end.set()
    assert lanes.wait_until_idle(soon()) == 0
    assert begun == ["in flight"]
    lanes.open()
    with lanes.lane() as taken:
        assert taken
