"""Commands that copy remote images at the same time, and are killed anywhere."""

import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailer.content.assets.copies import LINE, LOCK, kept, read_lock
from mailer.publishing.remote_images import refresh_images
from tests.image_site import drawn, image_site, loopback

ROOT = Path(__file__).resolve().parents[3]
# What `mailer images refresh` does again and again, with the guard of the tests.
COMMAND = """
import sys
from pathlib import Path

from mailer.publishing.remote_images import refresh_images
from tests.image_site import loopback

folder, images, *addresses = sys.argv[1:]
print("begun", flush=True)
while True:
    for _ in refresh_images(Path(folder), Path(images), addresses, loopback):
        pass
"""
KILLS = 12
MOST = 1.5  # seconds after which a process is killed


@pytest.mark.slow
def test_processes_that_are_killed_leave_a_file_that_is_whole_and_bytes_that_match_it(tmp_path: Path):
    images = tmp_path / "home" / "images"
    chance = random.Random(7)
    with image_site() as site:
        addresses = [site.put(f"/{n}.png", drawn(f"#0f76{n:02d}")) for n in range(6)]

        def begin() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", COMMAND, str(tmp_path), str(images), *chance.sample(addresses, 4)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
            assert process.stdout
            process.stdout.readline()
            return process

        for kill in range(KILLS):
            both = [begin(), begin()]
            for n in range(6):  # another image at each address, so that there is something to write
                site.put(f"/{n}.png", drawn(f"#{kill:02x}76{n:02d}"))
            time.sleep(chance.uniform(0, MOST))
            for process in both:
                process.send_signal(signal.SIGKILL)
                process.wait()
            lines = (tmp_path / LOCK).read_text().splitlines() if (tmp_path / LOCK).exists() else []
            assert all(line.startswith("#") or re.fullmatch(LINE, line) for line in lines)
            for digest in read_lock(tmp_path).values():
                assert kept(images, digest) is not None

        found = list(refresh_images(tmp_path, images, addresses, loopback))
    assert [one.failure for one in found] == [None] * 6
    assert set(read_lock(tmp_path)) == set(addresses)
