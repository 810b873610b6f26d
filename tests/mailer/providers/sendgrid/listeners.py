"""Servers that misbehave in ways that a provider would not: silent, deaf, or not speaking HTTP."""

import socket
import threading
from contextlib import contextmanager


@contextmanager
def server_that(serve):
    """Run a TCP server that hands each connection to `serve` in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def silent_server():
    """Run a server that accepts connections, and neither reads nor writes until the test is over."""
    over = threading.Event()
    try:
        with server_that(lambda connection: over.wait(600)) as where:
            yield where
    finally:
        over.set()
