"""Each who confirms gets one welcome or is `unknown`, whatever dies meanwhile; nobody who left before gets one."""

import pytest

from tests.chaos.welcoming import play

pytestmark = pytest.mark.slow


def test_nobody_is_welcomed_twice_or_forgotten_while_processes_die(tmp_path):
    result = play(tmp_path, readers=400, disasters=9, seed=4)
    assert result.faults == {}, result
    assert (result.pauses, result.flushes, result.versions >= 2) == (1, 1, True)
    assert result.accepted + result.unknown + result.skipped == result.confirmed == 400
    assert result.skipped >= 20, "who left before a worker ran"
