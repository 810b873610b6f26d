"""`mailer serve` and `mailer manage` where they cannot work."""

import socket


def test_a_port_that_is_taken_is_said_once_and_nobody_claims_to_listen(run):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ran = run("serve", "--port", other.getsockname()[1])
    assert (ran.code, ran.out) == (2, "")
    assert "another program listens there; choose another one with --port" in ran.err
    assert "listening at" not in ran.err


def test_an_account_without_a_terminal_to_ask_at_is_not_called_made(run):
    ran = run("manage", "createsuperuser")
    assert ran.code == 2
    assert "DJANGO_SUPERUSER_PASSWORD and add --noinput" in ran.err
    assert "manage.py" not in ran.err
