"""If a resource runs out before the first byte, nothing was sent; after it, the outcome is unknown."""

import errno
import http.client
import socket

import pytest

from mailer.providers import transport
from mailer.providers.answers import Accepted, ConnectFailed, Exhausted, OutcomeUnknown
from mailer.providers.sendgrid.client import Client
from mailer.providers.sendgrid.package import Api
from tests.exhausting import no_descriptors
from tests.mailer.providers.sendgrid.letters import request
from tests.ports import free_port
from tests.stand_in import KEY


def out_of_memory(*_, **__):
    raise MemoryError


def test_without_a_descriptor_nothing_is_written_and_later_it_is(api, client):
    with no_descriptors():
        answer = client.post(request())
    assert isinstance(answer, Exhausted)
    assert "no file descriptors left" in answer.detail
    assert api.requests == []
    assert isinstance(client.post(request()), Accepted)


def test_a_lookup_that_fails_for_want_of_a_descriptor_does_not_blame_the_name():
    client = Client("http://nowhere.invalid", KEY, 60)
    with no_descriptors():
        assert isinstance(client.post(request()), Exhausted)


def test_certificates_that_could_not_be_read_are_read_later():
    transport._tls.cache_clear()
    client = Client(f"https://127.0.0.1:{free_port()}", KEY, 60)
    with no_descriptors():
        with pytest.raises(OSError, match="Too many open files"):
            transport._tls()
        assert isinstance(client.post(request()), Exhausted)
    assert transport._tls().verify_mode.name == "CERT_REQUIRED"


def test_a_port_that_refuses_is_the_providers_fault_still(client):
    assert type(Client(f"http://localhost:{free_port()}", KEY, 60).post(request())) is ConnectFailed


def test_without_a_free_port_nothing_is_written(api, client, monkeypatch):
    def none_left(*_):
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(socket.socket, "connect", none_left)
    answer = client.post(request())
    assert isinstance(answer, Exhausted)
    assert "no free port" in answer.detail


@pytest.mark.parametrize("where", [(Api, "_request"), (http.client.HTTPConnection, "request")])
def test_no_memory_before_the_first_byte_wrote_nothing(api, client, monkeypatch, where):
    monkeypatch.setattr(*where, out_of_memory)
    assert isinstance(client.post(request()), Exhausted)
    assert api.requests == []


def test_no_memory_after_the_first_byte_is_unknown_and_the_connection_is_not_used_again(api, client, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(http.client.HTTPConnection, "getresponse", out_of_memory)
        answer = client.post(request())
    assert isinstance(answer, OutcomeUnknown)
    assert "no memory left" in answer.detail
    assert isinstance(client.post(request()), Accepted)
    assert len({one["connection"] for one in api.requests}) == len(api.requests)
