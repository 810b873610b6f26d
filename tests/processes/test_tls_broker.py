"""A real broker behind real TLS is verified by default, and one without TLS keeps nobody waiting."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import write_certificate
from tests.processes.stage import Broker, Stage
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "broker.pem")


@pytest.fixture
def behind_tls(broker: Broker, certificate: Path) -> Iterator[str]:
    """Run the broker behind a proxy that speaks TLS; return its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, context, broker.port), daemon=True).start()
        yield f"rediss://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)


def serve(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=carry, args=(plain, context, port), daemon=True).start()


def carry(plain: socket.socket, context: ssl.SSLContext, port: int) -> None:
    """Pass on what each side sends. One thread does both, since a TLS socket must not be used by two."""
    try:
        with (
            context.wrap_socket(plain, server_side=True) as client,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            client.settimeout(0.02)
            server.settimeout(0.02)
            while pass_on(client, server) and pass_on(server, client):
                pass
    except OSError:
        return  # it did not trust the certificate


def pass_on(one: socket.socket, other: socket.socket) -> bool:
    try:
        said = one.recv(65_536)
    except TimeoutError:
        return True
    other.sendall(said)
    return bool(said)


def broker_check(stage: Stage) -> dict[str, str]:
    found = json.loads(stage.run("doctor", "--json", expect=None).out)
    return next(check for check in found if check["name"] == "broker")


def test_a_certificate_that_nobody_vouches_for_is_refused(distributed: Stage, behind_tls: str):
    distributed.broker_url = behind_tls
    found = broker_check(distributed)
    assert found["state"] == "error"
    assert "its certificate is not trusted: self-signed certificate" in found["words"]
    assert "ssl_ca_certs=FILE" in found["words"]


def test_opting_out_works_and_is_warned_of(distributed: Stage, behind_tls: str):
    distributed.broker_url = f"{behind_tls}?ssl_cert_reqs=none"
    found = broker_check(distributed)
    assert found["state"] == "warning", found
    with distributed.workers(1):
        pass
    assert "certificate not verified" in distributed.logs()


def test_a_send_goes_through_a_verified_broker(
    distributed: Stage, behind_tls: str, certificate: Path, api: StandIn, for_real: dict[str, str]
):
    distributed.broker_url = f"{behind_tls}?ssl_ca_certs={certificate}"
    distributed.settings = for_real
    distributed.import_readers({"active": 30})
    found = broker_check(distributed)
    assert found["state"] == "ok", found
    with distributed.workers(1):
        distributed.send("issues/2026-11-20.md")
    assert len(api.recipients) == 30
    assert "broker" not in distributed.logs(), distributed.logs()


def test_a_broker_that_does_not_speak_tls_is_named_and_delays_a_command_by_seconds(distributed: Stage, broker: Broker):
    plain = distributed.broker_url
    started = time.monotonic()
    distributed.run("subscribers", "add", "ada@readers.example")
    usual = time.monotonic() - started
    distributed.broker_url = plain.replace("redis:", "rediss:")
    found = broker_check(distributed)
    assert found["state"] == "error"
    assert "does this port use TLS?" in found["words"]
    started = time.monotonic()
    distributed.run("subscribers", "add", "bob@readers.example")
    # Not about speed: it was 31 s, the time after which the answer was given up.
    assert time.monotonic() - started < usual + 20
