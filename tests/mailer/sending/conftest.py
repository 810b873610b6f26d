from collections.abc import Iterator

import pytest

from mailer import broker
from mailer.config import exhaustion
from mailer.models import Send
from mailer.sending import delivering
from tests import readers
from tests.mailer.sending import outgoing
from tests.stand_in import StandIn


@pytest.fixture(autouse=True)
def _nothing_kept_from_another_database():
    delivering._frozen.cache_clear()


@pytest.fixture(autouse=True)
def _rested():
    exhaustion.recovered()


@pytest.fixture(autouse=True)
def _own_home(settings, tmp_path):
    (tmp_path / "home").mkdir(mode=0o700)
    settings.HOME = tmp_path / "home"


@pytest.fixture
def api(settings) -> Iterator[StandIn]:
    """Run a provider on this machine, and configure this process to send through it."""
    with StandIn() as stand_in:
        settings.SENDGRID_API_KEY = stand_in.key
        settings.SENDGRID_API_URL = stand_in.url
        settings.PROVIDER = "127.0.0.1"
        settings.MAILER_HTTP_TIMEOUT = 2.0
        yield stand_in


@pytest.fixture
def hinted(monkeypatch) -> list[int]:
    """Return the sends in hints, one for each slot that was woken; a broker listens."""
    heard: list[int] = []
    monkeypatch.setattr(broker, "enqueue", lambda task, row: heard.append(row) or True)
    return heard


@pytest.fixture
def four(db, settings, api) -> Send:
    """Return a real send to four subscribers in one batch."""
    readers.crowd(4)
    return outgoing.planned()


@pytest.fixture
def two_batches(db, settings, api) -> Send:
    """Return a real send to four subscribers, two per batch."""
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(4)
    return outgoing.planned()
