"""`mailer serve` and `mailer manage` where they cannot work."""

import socket

import pytest

from subscribers import signed_links
from tests import readers


def test_a_port_that_is_taken_is_said_once_and_nobody_claims_to_listen(run):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ran = run("serve", "--port", other.getsockname()[1])
    assert (ran.code, ran.out) == (2, "")
    assert "already in use; choose another address with --port or --bind" in ran.err
    assert "listening on" not in ran.err


@pytest.fixture
def taken():
    """Return a port that another program uses."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_server_that_finds_no_newsletter_says_so(run, taken, settings):
    assert "no newsletter.toml" not in run("serve", "--port", taken).err
    settings.NEWSLETTERS = {}
    ran = run("serve", "--port", taken)
    assert "no newsletter.toml at or above" in ran.err
    assert "set MAILER_CONFIG" in ran.err


def test_subscribers_leave_and_nobody_joins_where_no_newsletter_is_found(client, db, settings):
    ada = readers.confirmed()
    settings.NEWSLETTERS = {}
    link = signed_links.unsubscribe_path(ada.public_id, "weekly")
    assert client.post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert readers.state_of(ada) == "unsubscribed"
    assert client.get("/subscribe/").status_code == 404


def test_a_server_with_a_mistyped_setting_says_which_is_meant(run, taken, monkeypatch):
    monkeypatch.setenv("MAILER_PROXYS", "1")
    assert (
        "MAILER_PROXYS in the environment is not a setting; is MAILER_PROXIES meant?"
        in run("serve", "--port", taken).err
    )


def test_an_account_without_a_terminal_to_ask_at_is_not_called_made(run):
    ran = run("manage", "createsuperuser")
    assert ran.code == 2
    assert "DJANGO_SUPERUSER_PASSWORD and add --noinput" in ran.err
    assert "manage.py" not in ran.err


@pytest.mark.parametrize(
    "address", ["8000", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "::1:8000", "unix:", "a b:1"]
)
def test_an_address_that_cannot_be_one_is_refused_with_what_to_write(run, address):
    ran = run("serve", "--bind", address)
    assert ran.code == 2
    assert "neither HOST:PORT" in ran.err


def test_a_port_beside_an_address_is_refused(run):
    ran = run("serve", "--bind", "127.0.0.1:8000", "--port", 8001)
    assert ran.code == 2
    assert "leave out --port" in ran.err


def test_a_socket_at_which_another_program_listens_is_left_to_it(run, tmp_path):
    path = tmp_path / "web.socket"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        ran = run("serve", "--bind", f"unix:{path}")
        assert ran.code == 2
        assert "already in use" in ran.err
        assert path.exists()
    ran = run("serve", "--bind", f"unix:{tmp_path}/no/such/folder/web.socket")
    assert ran.code == 2
    assert "/no/such/folder cannot be written" in ran.err
