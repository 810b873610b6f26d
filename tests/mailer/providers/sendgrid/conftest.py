"""A client of ours and the provider it speaks to."""

import pytest

from mailer.providers.sendgrid.client import Client
from tests.stand_in import StandIn


@pytest.fixture
def api():
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def client(api):
    return Client(api.url, api.key, timeout=2)
