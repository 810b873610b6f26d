"""A client and the stand-in provider that it talks to."""

import pytest

from mailer.providers.sendgrid.client import Client
from tests.stand_in import StandIn


@pytest.fixture
def api():
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def client(api):
    return Client(api.url, api.key, timeout=60)
