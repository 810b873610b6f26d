"""Unsubscribe by one click while the database is down; web process and workers have separate homes."""

import time
from pathlib import Path

from tests.chaos.run import Run
from tests.processes.leavers import ONE_CLICK, ask, hanging, ways_out


def leave_while_away(run: Run) -> None:
    """End or freeze PostgreSQL and perhaps kill the web process; everybody who got a 2xx must be unsubscribed."""
    assert run.postgres is not None
    base = run.serve()
    keys = Path(run.stage.environment(run.web.home)["MAILER_HOME"]) / "link-keys"
    assert run.until(keys.exists, 30), f"the web process knows no keys\n{run.stage.logs()}"
    run.progress()
    ways = ways_out(run.stage)
    waiting = sorted(email for email, outcome, _ in run.ledger.deliveries() if outcome == "planned")
    leaving = run.random.sample(waiting, min(12, len(waiting)))
    run.moment()
    if run.random.random() < 0.3:
        with hanging(run.postgres):
            _leave(run, base, {email: ways[email] for email in leaving})
            # Longer than a request may take: what is shorter no worker notices, as docs/reliability.md says.
            time.sleep(3)
        return
    run.postgres.end_at_once()
    _leave(run, base, {email: ways[email] for email in leaving[::2]})
    if run.random.random() < 0.5:
        run.kill(run.web)
        run.serve()
    _leave(run, base, {email: ways[email] for email in leaving[1::2]})
    run.postgres.start()


def _leave(run: Run, base: str, ways: dict[str, str]) -> None:
    for email, path in ways.items():
        status, _, _ = ask(base + path, ONE_CLICK)
        assert status in (200, 503), f"one click was answered {status or 'by nothing'}\n{run.stage.logs()}"
        if status == 200:
            run.left.setdefault(email, time.time())
        run.moment(0.1)
