"""`python -m tests.chaos --runs N --seed S --jobs J`: many runs, a table, and the seeds that failed.

With `--before PROGRAM`, the `mailer` of an earlier version, each run begins with that version and is upgraded midway.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import tests.environment  # noqa: F401 — nobody's shell or .env reaches the runs
from tests.chaos.kinds import KINDS, kind_of, why_left_out
from tests.chaos.playing import Result, play

COLUMNS = ("runs", "kills", "requests", "accepted", "unknown made", "duplicates", "unaccounted", "failed")


def main() -> None:
    parser = argparse.ArgumentParser(description="seeded disasters with real processes")
    parser.add_argument("--runs", type=int, default=len(KINDS))
    parser.add_argument("--seed", type=int, default=1, help="the first one; each run takes the next")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--before", default="", help="`mailer` of an earlier version, with which the runs begin")
    options = parser.parse_args()
    seeds = _playable(range(options.seed, options.seed + options.runs))
    results = _play(seeds, options.jobs, options.before)
    print_table(results)
    sys.exit(1 if any(result.problems for result in results) else 0)


def _playable(seeds: Iterable[int]) -> list[int]:
    """Return all but those whose kind this machine cannot play; print a line for each left out."""
    why = {seed: why_left_out(kind_of(seed)) for seed in seeds}
    for seed in filter(why.get, why):
        print(f"seed {seed:>4}  {kind_of(seed).name:<38} left out: {why[seed]}", flush=True)
    return [seed for seed in why if not why[seed]]


def _play(seeds: Iterable[int], jobs: int, before: str) -> list[Result]:
    results = []
    # Started anew, not forked: a run has threads.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(play, seed, before=before) for seed in seeds]):
            result = done.result()
            results.append(result)
            state = "FAILED" if result.problems else "ok"
            print(f"seed {result.seed:>4}  {result.kind:<38} {result.seconds:5.1f} s  {state}", flush=True)
            for problem in (*result.problems, *([", ".join(result.story)] if result.problems else [])):
                print(f"           {problem}", flush=True)
    return sorted(results, key=lambda result: result.seed)


def print_table(results: list[Result]) -> None:
    rows: dict[str, list[int]] = defaultdict(lambda: [0] * len(COLUMNS))
    for result in results:
        for name in (result.kind, "all"):
            rows[name] = [before + more for before, more in zip(rows[name], _numbers(result), strict=True)]
    names = [*(kind.name for kind in KINDS if kind.name in rows), "all"]
    print(f"\n| {'kind':<38} | {' | '.join(COLUMNS)} |")
    print(f"|{'-' * 40}|{'|'.join('-' * (len(column) + 1) + ':' for column in COLUMNS)}|")
    for name in names:
        cells = (f"{number:>{len(column)},}" for number, column in zip(rows[name], COLUMNS, strict=True))
        print(f"| {name:<38} | {' | '.join(cells)} |")
    print(f"\n{rows['all'][5]} duplicates, {rows['all'][6]} unaccounted")
    for result in results:
        if result.problems:
            print(f"failed: python -m tests.chaos --runs 1 --seed {result.seed}    (its files: {result.folder})")


def _numbers(result: Result) -> tuple[int, ...]:
    failed = int(bool(result.problems))
    figures = (result.kills, result.requests, result.accepted, result.unknown, result.duplicates, result.unaccounted)
    return (1, *figures, failed)


if __name__ == "__main__":
    main()
