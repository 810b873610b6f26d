import pytest

from subscribers import limits, queue
from tests.subscribers.conftest import clock as clock
from tests.subscribers.conftest import hints as hints


@pytest.fixture
def narrow(monkeypatch):
    """A queue of confirmation mails that is soon full."""
    monkeypatch.setattr(limits, "RATE", 5)
    monkeypatch.setattr(queue, "LENGTH", 30)
    monkeypatch.setattr(queue, "AT_ONCE", 1)
