"""What an editor's commands cost, with their start: CPU seconds of the process.

python -m benchmarks.commands [--rounds N]
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import table
from benchmarks.send import ISSUE, Bench, mailer
from benchmarks.table import Row

COMMANDS = {  # name → what is run, and the goal
    "check": (("check", str(ISSUE)), 0.35),
    "render": (("render", str(ISSUE)), 0.35),
    "status": (("status",), 0.40),
    "send --dry-run": (("send", "issue", str(ISSUE), "--dry-run"), 0.55),
}


def measure(bench: Bench, rounds: int) -> Iterator[Row]:
    """Run each command in turn, round by round, in a home of 1,000 subscribers."""
    home = bench.home(1000)
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, (command, _) in COMMANDS.items():
            spent[name].append(mailer(home, *command).cpu)
    for name, (_, goal) in COMMANDS.items():
        yield Row(f"`{name}` of {ISSUE.name}" if name != "status" else "`status`", "CPU-s", tuple(spent[name]), goal)


def main() -> None:
    parser = argparse.ArgumentParser(description="what a command costs")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder:
        table.show(measure(Bench(Path(folder)), options.rounds))


if __name__ == "__main__":
    main()
