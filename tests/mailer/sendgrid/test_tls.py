"""The way to the real SendGrid: the same requests over TLS."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailer.sendgrid import transport
from mailer.sendgrid.client import Accepted, Client, NeverOpened, OutcomeUnknown
from tests.mailer.sendgrid.letters import request
from tests.stand_in import StandIn


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with the key and a certificate for 127.0.0.1 that only those trust who are told to."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "stand-in.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


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
    client = Client(api.url, api.key, 5)
    assert [isinstance(client.post(request(1000)), Accepted) for _ in range(5)] == [True] * 5
    assert api.connections == 1


@pytest.mark.usefixtures("trusted")
def test_a_connection_that_the_server_ended_is_not_written_to(api):
    client = Client(api.url, api.key, 5)
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
    answer = Client(api.url, api.key, 5).post(request())
    assert isinstance(answer, NeverOpened)
    assert "certificate is not trusted (self-signed certificate)" in answer.words
    assert api.requests == []
