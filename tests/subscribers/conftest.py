from datetime import datetime, timedelta

import pytest
from django.utils import timezone

import mailer.store.clock
import subscribers.clock


class Clock:
    """Time as the product sees it; it stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = timezone.now().replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)
    for module in (subscribers.clock, mailer.store.clock):
        monkeypatch.setattr(module, "now", clock)
    monkeypatch.setattr(subscribers.clock, "estimated", clock)
    monkeypatch.setattr(subscribers.clock, "in_sql", lambda: f"timestamptz '{clock.now.isoformat()}'")
    return clock


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the ids of the subscriptions whose confirmation a worker was told about."""
    told: list[int] = []
    monkeypatch.setattr("mailer.broker.enqueue", lambda task, row: told.append(row) is None)
    return told
