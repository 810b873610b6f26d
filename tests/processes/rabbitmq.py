"""A real RabbitMQ with a folder of its own, listening on loopback only."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.parts import rabbitmq_server, skip_without
from tests.ports import free_port
from tests.processes.stage import wait_until


class RabbitMQ:
    """A server that can be stopped as in a crash, and restarted on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port, self._names_port = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._folder = folder / "rabbitmq"
        self._folder.mkdir()
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        program, epmd = rabbitmq_server(), shutil.which("epmd")
        if program is None or epmd is None:
            skip_without("rabbitmq")
        # Erlang would start this one by itself, for the whole machine, at each of its addresses and for good.
        self._start(epmd, "-address", "127.0.0.1", "-port", str(self._names_port))
        wait_until(lambda: _listens(self._names_port), "Erlang's port mapper listens")
        self._start(program)
        wait_until(lambda: _listens(self.port), "RabbitMQ listens")

    def stop(self) -> None:
        for process in self._running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def _start(self, *command: str) -> None:
        with (self._folder / "output").open("a") as output:
            process = subprocess.Popen(
                command,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._running.append(process)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return kept | {
            "HOME": str(self._folder),  # of the cookie
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names_port),
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            # Nothing of the machine's own RabbitMQ.
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "environment"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
        }


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
