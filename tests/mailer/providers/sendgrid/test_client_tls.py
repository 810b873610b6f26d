"""The same requests over TLS, as to the real SendGrid."""

import ssl

import pytest

from mailer.providers import transport
from mailer.providers.answers import Accepted, ConnectFailed, OutcomeUnknown
from mailer.providers.sendgrid.client import Client
from tests.certificates import write_certificate
from tests.mailer.providers.sendgrid.letters import request
from tests.stand_in import StandIn


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Write the key and a certificate for 127.0.0.1 that is trusted only where a test says so."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "stand-in.pem")


@pytest.fixture
def api(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with StandIn(tls=context) as stand_in:
        yield stand_in


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    transport._tls.cache_clear()
    yield
    transport._tls.cache_clear()


@pytest.mark.usefixtures("trusted")
def test_requests_over_tls_share_a_connection(api):
    client = Client(api.url, api.key, 60)
    assert [isinstance(client.post(request(1000)), Accepted) for _ in range(5)] == [True] * 5
    assert api.connections == 1


@pytest.mark.usefixtures("trusted")
def test_a_connection_that_the_server_ended_is_not_written_to(api):
    client = Client(api.url, api.key, 60)
    api.fail("close when idle")
    assert isinstance(client.post(request()), Accepted)
    transport.time.sleep(0.1)
    assert isinstance(client.post(request()), Accepted)
    assert api.connections == 2


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("fault", ["close after accepting", "cut headers", "hang after accepting", "trickle"])
def test_a_lost_answer_over_tls_leaves_the_outcome_unknown(api, fault):
    api.fail(fault)
    assert isinstance(Client(api.url, api.key, 0.5).post(request(1000)), OutcomeUnknown)
    assert len(api.requests) == 1


def test_a_certificate_that_nobody_vouches_for_gets_no_byte_of_ours(api):
    answer = Client(api.url, api.key, 60).post(request())
    assert isinstance(answer, ConnectFailed)
    assert "certificate is not trusted (self-signed certificate)" in answer.detail
    assert api.requests == []
