"""A few seeded disasters in each run of the tests; `make chaos RUNS=200` plays many more.

Each line kills its share of the twenty processes and more that a run of the tests must survive.
"""

import pytest

from tests.chaos.disasters import DISASTERS
from tests.chaos.kinds import KINDS, Kind
from tests.chaos.playing import play

pytestmark = pytest.mark.slow

IN_REQUEST = ("kill_after_acceptance", "kill_before_acceptance")
# Each of IN_REQUEST kills both commands, or both workers.
COMMANDS = Kind(
    "commands", False, (*IN_REQUEST, *IN_REQUEST, *["kill_now"] * 3), in_order=True, readers=600, commands=2
)
WORKERS = Kind(
    "workers", True, (*IN_REQUEST, "restart_postgres", *IN_REQUEST, *["kill_now"] * 2), in_order=True, readers=600
)
LEAVING = Kind("leaving", True, ("leave_while_away",) * 2, in_order=True, readers=600, leaving_wait=15.0)
ROLLING = Kind("rolling restart", True, ("roll",), in_order=True, readers=600, webhook=False, unhurried=True)


@pytest.mark.parametrize(
    ("kind", "kills"),
    [(COMMANDS, 9), (WORKERS, 8), (ROLLING, 0), (LEAVING, 0)],
    ids=[
        "commands killed",
        "workers killed, PostgreSQL ended",
        "workers rolled",
        "PostgreSQL away while subscribers leave",
    ],
)
def test_each_reader_is_accounted_for_and_nobody_is_mailed_twice(kind: Kind, kills: int):
    result = play(seed=1, kind=kind)
    assert result.problems == (), f"{result.story}; the files of the run: {result.folder}"
    assert result.kills >= kills


def test_each_disaster_of_a_kind_exists():
    assert {name for kind in KINDS for name in kind.disasters} == set(DISASTERS)
