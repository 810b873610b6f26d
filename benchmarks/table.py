# ruff: noqa: T201 — it prints
"""One line a measurement, as every benchmark prints it and `make bench` collects it."""

import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HEADING = "| work | unit | median | least to most | goal | |\n|---|---|---|---|---|---|"
NOTABLE = 0.10  # a change against an earlier run that is more than its noise


@dataclass(frozen=True)
class Row:
    """The same work measured in several rounds, and what it is to cost: at most `goal`, or at least."""

    work: str
    unit: str
    rounds: tuple[float, ...]
    goal: float | None = None
    at_least: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def met(self) -> bool | None:
        """Return None if nothing is asked of it."""
        if self.goal is None:
            return None
        return self.median >= self.goal if self.at_least else self.median <= self.goal

    def line(self) -> str:
        sign = "≥" if self.at_least else "≤"
        goal = f"{sign} {_number(self.goal)}" if self.goal is not None else ""
        verdict = {True: "met", False: "**missed**", None: ""}[self.met()]
        spread = f"{_number(min(self.rounds))} to {_number(max(self.rounds))}"
        return f"| {self.work} | {self.unit} | {_number(self.median)} | {spread} | {goal} | {verdict} |"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 20 else f"{value:.2f}"


def show(rows: Iterable[Row]) -> list[Row]:
    """Print each row as soon as it is measured. Return all of them."""
    shown = []
    for row in rows:
        print(row.line(), flush=True)
        shown.append(row)
    return shown


def save(rows: Iterable[Row], path: Path) -> None:
    kept = {f"{row.work} ({row.unit})": {"median": row.median, "at_least": row.at_least} for row in rows}
    path.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def compare(rows: Iterable[Row], path: Path) -> int:
    """Print what has changed by a tenth since the run kept in `path`. Return how many rows became worse."""
    earlier, worse = json.loads(path.read_text(encoding="utf-8")), 0
    for row in rows:
        before = earlier.get(f"{row.work} ({row.unit})", {}).get("median")
        if not before or abs(row.median / before - 1) <= NOTABLE:
            continue
        is_worse = (row.median < before) == row.at_least
        worse += is_worse
        print(
            f"- {row.work}: {_number(before)} → {_number(row.median)} {row.unit}, {'worse' if is_worse else 'better'}"
        )
    print(f"- {worse} worse than in {path.name} by more than a tenth", file=sys.stderr)
    return worse
