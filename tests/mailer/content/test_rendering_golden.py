import os
import socket
import subprocess
import sys

import pytest

from tests.golden import FOLDER, ISSUES, ROOT, golden

HASHES = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
import django
django.setup()
from pathlib import Path
from tests.golden import ISSUES, golden
import hashlib
for path in (ISSUES if sys.argv[1] == "forward" else reversed(ISSUES)):
    for name, content in golden(path).items():
        print(name, hashlib.sha256(content.encode()).hexdigest())
"""


@pytest.mark.parametrize("path", ISSUES, ids=lambda path: path.stem)
def test_the_sample_issues_look_as_they_were_approved(path):
    for name, content in golden(path).items():
        assert content == (FOLDER / name).read_text(encoding="utf-8"), "look at the mail; then python -m tests.golden"


@pytest.mark.slow
def test_every_process_and_order_gives_the_same_bytes():
    seen = set()
    for seed, order in (("0", "forward"), ("1", "backward"), ("random", "forward")):
        run = subprocess.run(
            [sys.executable, "-c", HASHES, order],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert run.returncode == 0, run.stderr
        seen.add(tuple(sorted(run.stdout.splitlines())))

    assert len(seen) == 1


def test_rendering_never_opens_a_socket(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    for path in ISSUES:
        golden(path)
