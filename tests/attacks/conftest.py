import pytest

from subscribers import limits, queue
from tests.subscribers.conftest import clock as clock
from tests.subscribers.conftest import hints as hints


@pytest.fixture
def narrow(monkeypatch):
    """Make the queue of confirmation emails so short that it is soon full."""
    monkeypatch.setattr(limits, "RATE", 5)
    monkeypatch.setattr(queue, "LENGTH", 30)
    monkeypatch.setattr(queue, "AT_ONCE", 1)
