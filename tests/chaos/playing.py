"""Play one run from its seed to its result: disasters, calm, evidence, resend, and the same command again."""

import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests import events
from tests.chaos.auditing import Findings, audit, audit_end, truth_of
from tests.chaos.disasters import DISASTERS
from tests.chaos.kinds import Kind, kind_of
from tests.chaos.ledger import Away
from tests.chaos.run import EVIDENCE_WAIT, ISSUE, SLUG, Run

AT_ONCE = 500  # events in a body
NOT_CONFIRMED = 4
WELL = (0, 5)  # exit codes: done, and done with readers whom the provider refused


@dataclass(frozen=True)
class Result:
    seed: int
    kind: str
    kills: int
    requests: int
    accepted: int
    unknown: int
    duplicates: int
    unaccounted: int
    story: tuple[str, ...]  # the disasters, in order
    problems: tuple[str, ...]
    seconds: float
    folder: str = ""  # kept where something is wrong


def play(seed: int, kind: Kind | None = None, before: str = "") -> Result:
    """Play the run of this seed and return the result. The folder of a successful run is deleted.

    `before` is the `mailer` of an earlier version: the run begins with it and is upgraded after half the disasters.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
    began = time.monotonic()
    run = Run(seed, kind or kind_of(seed), folder, before)
    found = Findings()
    unknown = 0
    try:
        run.begin()
        _disasters(run)
        unknown = _aftermath(run, found)
    except (AssertionError, OSError, subprocess.SubprocessError, Away) as broken:
        found.add(f"the run broke: {type(broken).__name__} {broken}")
    finally:
        run.close()
    truth = truth_of(run)
    if not found.faults:
        shutil.rmtree(folder, ignore_errors=True)
    return Result(
        seed,
        run.kind.name,
        run.kills,
        truth.requests,
        truth.times.total(),
        unknown,
        len(found.duplicates),
        len(found.unaccounted),
        tuple(run.story),
        tuple(found.faults),
        time.monotonic() - began,
        str(folder) if found.faults else "",
    )


def _disasters(run: Run) -> None:
    kind = run.kind
    names = kind.disasters if kind.in_order else [run.random.choice(kind.disasters) for _ in range(kind.rounds)]
    for number, name in enumerate(names):
        if number == len(names) // 2:
            run.upgrade()
        if run.is_over():
            return
        run.story.append(name)
        DISASTERS[name](run)
        run.tend()


def _aftermath(run: Run, found: Findings) -> int:
    """Check everything once the faults are gone; return how many subscribers they made unknown."""
    if not run.calm():
        found.add(f"I12 not at rest: {run.ledger.send()}, {run.ledger.open()} open")
        return 0
    unknown = audit(run, found).of("unknown")
    if run.kind.unhurried and unknown:
        found.add("a rolling restart made requests unknown", lost=unknown)
    if run.kind.deaf:
        _silence_is_not_evidence(run, found)
    elif run.kind.webhook:
        _evidence(run, found)
    may_be_twice = _resend(run, found)
    audit_end(run, found, run.stage.status(SLUG), may_be_twice)
    _again(run, found)
    return len(unknown)


def _resend(run: Run, found: Findings) -> set[str]:
    """Resend what is unknown, as an editor would; return who already had it, which nobody can know without evidence."""
    unknown = audit(run, found).of("unknown")
    had_it = unknown & set(truth_of(run).times)
    # A batch that was unknown is not split, so a reader in it whom nobody names would hold it for ever.
    run.api.unnamed_bad_addresses.clear()
    if unknown:
        number = run.stage.run("reconcile", SLUG, "--json", expect=None).json()["may_get_it_twice"]
        code = run.stage.run("reconcile", SLUG, "--resend", "--accept-duplicates", str(number), expect=None).code
        if code not in WELL:
            found.add(f"reconcile --resend ended with {code}")
        if not run.calm():
            found.add(f"I12 not at rest after the resend: {run.ledger.send()}")
    return had_it


def _again(run: Run, found: Findings) -> None:
    """Check I10: a finished send, run again, makes no request."""
    before = truth_of(run).requests
    code = run.stage.run("send", "issue", ISSUE, "--yes", expect=None).code
    if code not in WELL:
        found.add(f"a finished send, run again, ended with {code}")
    if truth_of(run).requests != before:
        found.add("I10 a finished send made requests")


def _evidence(run: Run, found: Findings) -> None:
    """Post SendGrid's events for everything that it accepted, tripled and shuffled: none of it stays unknown."""
    base, truth = run.serve(), truth_of(run)
    told = events.events_of(truth.accepted) * 3
    run.random.shuffle(told)
    for start in range(0, len(told), AT_ONCE):
        status = events.post(base, run.keys, told[start : start + AT_ONCE])
        if status != 204:
            found.add(f"the webhook answered {status}")
    if not run.until(lambda: not _accepted_but_unknown(run), 30):
        found.add("I3 unknown in spite of events", lost=_accepted_but_unknown(run))
    states = run.ledger.attempts()
    if wrong := [attempt for attempt in truth.attempts if states[attempt][0] != "accepted"]:
        found.add(f"attempts with events that are not accepted: {sorted(wrong)}")


def _silence_is_not_evidence(run: Run, found: Findings) -> None:
    """Check that long after the wait nobody is emailed again, neither by a worker alone nor with --yes."""
    before, unknown = set(run.ledger.attempts()), audit(run, found).of("unknown")
    run.serve()  # on SQLite it brings a worker along
    time.sleep(3 * EVIDENCE_WAIT)
    code = run.stage.run("reconcile", SLUG, "--resend", "--yes", expect=None).code
    if code != (NOT_CONFIRMED if unknown else 0):
        found.add(f"reconcile --resend --yes ended with {code}, although nothing was heard")
    if set(run.ledger.attempts()) != before:
        found.add("silence was taken for evidence")
    audit(run, found)


def _accepted_but_unknown(run: Run) -> set[str]:
    unknown = {email for email, outcome, _ in run.ledger.deliveries() if outcome == "unknown"}
    return unknown & set(truth_of(run).times)
