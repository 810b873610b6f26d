"""Choose which disasters come together, on which stage, and for how many subscribers."""

from dataclasses import dataclass

from tests.processes.starving import can_starve, why_no_disk


@dataclass(frozen=True)
class Kind:
    name: str
    distributed: bool
    disasters: tuple[str, ...]  # names of functions in disasters.py
    rounds: int = 6
    in_order: bool = False  # each disaster once, as they stand, instead of as the seed has it
    # A hundred slow requests, so that the work outlasts the disasters; the rest goes without delay.
    readers: int = 1000
    batch: int = 10
    latency: float = 0.4
    commands: int = 1  # at the same issue at once
    bad: int = 0  # readers whom the provider refuses by name
    unnamed: int = 0  # and without saying whom it means
    webhook: bool = True  # else an editor resends what is unknown without evidence
    deaf: bool = False  # no event is ever heard, and the policy is to send again what never arrived
    leaving_wait: float = 1.0  # seconds that a worker which lost the database waits, so that leavings are applied first
    unhurried: bool = False  # times as in life: nothing but a lost request may be unknown


KILLS = ("kill_now", "kill_after_acceptance", "kill_before_acceptance")
ALWAYS = (*KILLS, "stall", "fault", "refuse", "readers_leave", "events_early", "kill_web")

KINDS = (
    Kind("killed, one machine", False, KILLS, rounds=8),
    Kind("killed, two workers", True, KILLS, rounds=6),
    Kind("killed, resent without evidence", False, KILLS, webhook=False),
    Kind("events while it is sent", False, ("events_early", "kill_web", *KILLS), commands=2),
    Kind("events while it is sent, two workers", True, ("events_early", "kill_web", *KILLS)),
    Kind("stopped past the lease", False, ("stall", "kill_now"), rounds=5, commands=2),
    Kind("stopped past the lease, two workers", True, ("stall", "kill_now"), rounds=5),
    Kind("provider", False, ("fault", "fault", "refuse"), rounds=5),
    Kind("provider, two workers", True, ("fault", "fault", "refuse"), rounds=5),
    Kind("broker", True, ("flush_broker", "restart_broker", "kill_now")),
    Kind("broker gone for good", True, ("stop_broker", *KILLS), rounds=5, in_order=True),
    Kind("a second installation", True, ("second_installation", *KILLS), rounds=5, in_order=True),
    Kind("PostgreSQL", True, ("restart_postgres", "kill_now"), rounds=6),
    Kind("SQLite locked", False, ("lock_sqlite", "kill_now"), rounds=5),
    Kind("clock moved", False, ("move_clock", "move_clock", *KILLS), rounds=5),
    Kind("clock moved, two workers", True, ("move_clock", "move_clock", "events_early", "kill_web", *KILLS), rounds=8),
    Kind("descriptors exhausted", False, (*["exhaust_descriptors"] * 2, *KILLS), rounds=6),
    Kind("descriptors exhausted, two workers", True, (*["exhaust_descriptors"] * 2, *KILLS), rounds=6),
    Kind("disk full", False, (*["fill_disk"] * 2, *KILLS), rounds=6),
    Kind("disk full, two workers", True, (*["fill_disk"] * 2, *KILLS), rounds=6),
    Kind("readers leave", False, ("readers_leave", "readers_leave", *KILLS)),
    Kind("readers leave, two workers", True, ("readers_leave", "readers_leave", *KILLS)),
    Kind("database away while subscribers leave", True, ("leave_while_away", "kill_now"), rounds=4, leaving_wait=15.0),
    Kind("editors at once", False, KILLS, commands=3),
    Kind("editors at once, two workers", True, KILLS, commands=4),
    Kind("bad readers", False, (*KILLS, "fault"), rounds=4, bad=5, unnamed=1),
    Kind("bad readers, two workers", True, (*KILLS, "fault"), rounds=4, bad=5, unnamed=1),
    Kind("deaf webhook", False, ("deaf_webhook", "kill_after_acceptance"), rounds=4, deaf=True),
    Kind("deaf webhook, two workers", True, ("deaf_webhook", "kill_after_acceptance"), rounds=4, deaf=True),
    # Slower than the timeout: the provider takes the one request, and its answer is lost.
    Kind("a send of one request", False, ("deaf_webhook",), rounds=1, batch=1000, latency=3.0, deaf=True),
    Kind("rolling restart", True, ("roll",), rounds=3, webhook=False, unhurried=True),
    Kind("everything", False, (*ALWAYS, "lock_sqlite"), rounds=8, commands=2, bad=3),
    Kind(
        "everything, two workers",
        True,
        (*ALWAYS, "flush_broker", "restart_broker", "restart_postgres"),
        rounds=8,
        commands=2,
        bad=3,
    ),
)


def kind_of(seed: int) -> Kind:
    """Return the kind of a seed; seeds cycle through the kinds, so that a long run plays each equally often."""
    return KINDS[seed % len(KINDS)]


def why_left_out(kind: Kind) -> str:
    """Return what this machine lacks for the kind; "" if it can be played."""
    if "fill_disk" in kind.disasters:
        return why_no_disk()
    if "exhaust_descriptors" in kind.disasters and not can_starve:
        return "no prlimit on this system"
    return ""
