"""Compare the ledger with the provider's log, which is the truth, for each invariant (I1 to I6 and I10)."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.run import Run

CALLED_ACCEPTED = "accepted"
OUT = ("skipped", "rejected", "refused")
# Between the last look at a reader and the attempt's own time lies a part of one transaction.
SAME_TRANSACTION = 0.25  # seconds


@dataclass(frozen=True)
class Truth:
    """What the provider's log contains; it was on disk before each response."""

    requests: int
    accepted: tuple[dict[str, Any], ...]  # a line for each accepted request
    times: Counter[str]

    @property
    def attempts(self) -> set[str]:
        return {request["attempt"].replace("-", "") for request in self.accepted}


def truth_of(run: Run) -> Truth:
    lines = [json.loads(line) for line in run.log.read_bytes().splitlines()]
    lines = [line for line in lines if line.get("send")]  # not what is written to the editor
    accepted = tuple(line for line in lines if line["event"] == "accepted")
    times = Counter(reader["email"] for request in accepted for reader in request["recipients"])
    return Truth(sum(line["event"] == "received" for line in lines), accepted, times)


@dataclass
class Findings:
    duplicates: set[str] = field(default_factory=set)
    unaccounted: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def add(self, fault: str, *, twice: set[str] = frozenset(), lost: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.duplicates |= twice
        self.unaccounted |= lost
        fault = f"{fault}: {len(twice | lost)} readers" if twice or lost else fault
        if fault not in self.faults:  # it is looked at more than once
            self.faults.append(fault)


@dataclass(frozen=True)
class Standing:
    """Subscribers by outcome, according to the ledger."""

    outcome: dict[str, str]

    def of(self, *outcomes: str) -> set[str]:
        return {reader for reader, one in self.outcome.items() if one in outcomes}


def standing_of(run: Run) -> Standing:
    return Standing({email: outcome for email, outcome, _ in run.ledger.deliveries()})


def audit(run: Run, found: Findings, may_be_twice: set[str] = frozenset()) -> Standing:  # type: ignore[assignment]
    """Check what must hold at rest. `may_be_twice`: subscribers to whom an editor resent without evidence."""
    truth, now = truth_of(run), standing_of(run)
    _nobody_twice(truth, found, may_be_twice)
    _all_planned_are_named(run, now, found)
    _accepted_were_accepted(truth, now, found, may_be_twice)
    _refused_attempts_stay_refused(run, truth, found)
    _nobody_after_leaving(run, truth, found)
    # A journal that still waits is applied within seconds; `calm` waits for batches alone.
    if not run.until(lambda: set(run.left) <= run.ledger.unsubscribed(), 30):
        lost = set(run.left) - run.ledger.unsubscribed()
        found.add("I4 told that they have left, and not unsubscribed", lost=lost)
    _only_the_audience(run, truth, found)
    _one_content(run, found)
    _no_foreign_key(run, found)
    return now


def _nobody_twice(truth: Truth, found: Findings, may_be_twice: set[str]) -> None:
    allowed = dict.fromkeys(may_be_twice, 2)
    if twice := {reader for reader, times in truth.times.items() if times > allowed.get(reader, 1)}:
        found.add("I1 accepted more than once", twice=twice)


def _all_planned_are_named(run: Run, now: Standing, found: Findings) -> None:
    sent = run.ledger.send()
    assert sent is not None
    if sent[2] != len(now.outcome):
        found.add(f"I2 planned {sent[2]}, but {len(now.outcome)} deliveries")
    if lost := set(run.readers["active"]) ^ set(now.outcome):
        found.add("I2 audience and plan differ", lost=lost)
    if orphans := run.ledger.orphans():
        found.add(f"I2 {orphans} deliveries without a batch of their send")
    if moving := now.of("planned", "posting"):
        found.add("I12 still waiting", lost=moving)


def _accepted_were_accepted(truth: Truth, now: Standing, found: Findings, resent: set[str]) -> None:
    accepted = set(truth.times)
    if lost := now.of(CALLED_ACCEPTED) - accepted:
        found.add("I3 called accepted, never accepted", lost=lost)
    # Somebody resent without evidence may by now have left: skipped, although the first request had arrived.
    if lost := accepted - now.of(CALLED_ACCEPTED, "unknown") - (resent & now.of(*OUT)):
        found.add("I3 accepted, called neither so nor unknown", lost=lost)


def _refused_attempts_stay_refused(run: Run, truth: Truth, found: Findings) -> None:
    for attempt, (state, _) in run.ledger.attempts().items():
        if attempt in truth.attempts and state in ("refused", "unsent"):
            found.add(f"attempt {attempt} is {state}, but it was accepted")
    if strange := truth.attempts - set(run.ledger.attempts()):
        found.add(f"accepted attempts that the ledger does not know: {sorted(strange)}")


def _nobody_after_leaving(run: Run, truth: Truth, found: Findings) -> None:
    started = {attempt: at for attempt, (_, at) in run.ledger.attempts().items()}
    for request in truth.accepted:
        at = started.get(request["attempt"].replace("-", ""), 0.0)
        late = {
            reader["email"]
            for reader in request["recipients"]
            if at > run.left.get(reader["email"], float("inf")) + SAME_TRANSACTION
        }
        if late:
            found.add("I4 claimed after the unsubscribe was acknowledged", lost=late)


def _only_the_audience(run: Run, truth: Truth, found: Findings) -> None:
    if strangers := set(truth.times) - set(run.readers["active"]):
        found.add("I5 not in the audience", lost=strangers)


def _one_content(run: Run, found: Findings) -> None:
    contents = {(one["subject"], *one["content"].values()) for one in run.api.accepted if one["send"]}
    if len(contents) > 1:
        found.add(f"I7 {len(contents)} different contents")


def _no_foreign_key(run: Run, found: Findings) -> None:
    if foreign := sum(request["key"] != run.api.key for request in run.api.requests) + run.api.strangers:
        found.add(f"I13 {foreign} requests with the key of another account")


def audit_end(run: Run, found: Findings, receipt: dict[str, Any], may_be_twice: set[str]) -> None:
    """Check after `reconcile --resend` that nothing is unknown, everybody has it, and the receipt matches the log."""
    now = audit(run, found, may_be_twice)
    truth = truth_of(run)
    if unknown := now.of("unknown"):
        found.add("I3 unknown after the resend", lost=unknown)
    if lost := set(now.outcome) - now.of(*OUT) - set(truth.times):
        found.add("I3 neither mailed nor skipped nor rejected", lost=lost)
    _bad_ones_are_named(run, now, found)
    if sum(times > 1 for times in truth.times.values()) > receipt["possibly_twice"]:
        found.add(f"more have it twice than are said to: {receipt['possibly_twice']}")
    for difference in _differences(receipt, now):
        found.add(f"I2 printed {difference}")


def _bad_ones_are_named(run: Run, now: Standing, found: Findings) -> None:
    rejected = now.of("rejected", "refused")
    if extra := rejected - run.bad:
        found.add("I6 rejected, though nothing is wrong with them", lost=extra)
    if lost := run.named - rejected - now.of("skipped"):
        found.add("I6 bad, and not reported", lost=lost)


def _differences(receipt: dict[str, Any], now: Standing) -> Iterator[str]:
    for name in ("accepted", "unknown", "rejected"):
        if receipt[name] != len(now.of(name)):
            yield f"{name} {receipt[name]}, counted {len(now.of(name))}"
    if sum(receipt["skipped"].values()) != len(now.of("skipped")):
        yield f"skipped {receipt['skipped']}, counted {len(now.of('skipped'))}"
