"""Go back as docs/upgrading.md says: the new version reverses its migrations, with a send in progress."""

import re

import pytest

from tests.installed import ROOT
from tests.processes.stage import Stage, wait_until
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow
NEWEST = r"^Database: mailer (\d+), subscribers (\d+)\.$"
ISSUE = "issues/2026-11-20.md"
KEPT = {
    "readers": "SELECT id, email FROM subscribers_subscriber ORDER BY id",
    "consent": "SELECT subscriber_id, step FROM subscribers_consent ORDER BY id",
    "deliveries": "SELECT batch_id, subscriber_id, outcome FROM mailer_delivery ORDER BY 1, 2",
    "batches": "SELECT id, state, size FROM mailer_batch ORDER BY id",
}


def of_the_former_release() -> dict[str, str]:
    """Return the newest migrations of the last release, by app, as CHANGELOG.md names them."""
    _unreleased, *releases = re.findall(NEWEST, (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    return dict(zip(("mailer", "subscribers"), releases[0], strict=True))


def test_migrations_taken_back_and_made_again_in_the_middle_of_a_send_lose_and_double_nothing(
    stage: Stage, api: StandIn, for_real: dict[str, str]
):
    stage.settings = {**for_real, "MAILER_BATCH_SIZE": "2", "MAILER_LANES": "1"}
    readers = stage.import_readers({"active": 60})["active"]
    api.latency = 1.0  # a minute for all, of which a few seconds are needed
    with stage.workers(1):
        stage.run("send", "issue", ISSUE, "--yes", "--detach") if stage.distributed else stage.start(
            "send", "issue", ISSUE, "--yes"
        )
        wait_until(lambda: len(api.accepted) >= 3, "the send is under way")
        stage.run("pause", "2026-11-20")
    kept = {name: stage.ask(question) for name, question in KEPT.items()}
    assert 0 < len(api.recipients) < len(readers)

    for app, number in of_the_former_release().items():
        stage.run("manage", "migrate", app, number)
    assert {name: stage.ask(question) for name, question in KEPT.items()} == kept
    stage.run("manage", "migrate")
    assert {name: stage.ask(question) for name, question in KEPT.items()} == kept

    api.latency = 0
    with stage.workers(1):
        stage.run("resume", "2026-11-20")
        wait_until(stage.finished, "the send is finished")
    assert sorted(reader["email"] for reader in api.recipients) == readers
