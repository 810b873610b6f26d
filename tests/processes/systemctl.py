#!/usr/bin/python3
"""As much of systemctl as docs/ten-minutes.md needs, where no systemd may run: start what the units say.

Timers never fire, and hardening is left out: `systemd-analyze` judges that.
"""

import os
import pwd
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDERS = (Path("/etc/systemd/system"), Path("/lib/systemd/system"))


def unit(name):
    """Return key → values of the unit and its drop-ins."""
    path = next(folder / name for folder in FOLDERS if (folder / name).exists())
    drop_ins = sorted(Path(f"/etc/systemd/system/{name}.d").glob("*.conf"))
    lines = "\n".join(one.read_text() for one in (path, *drop_ins)).replace("\\\n", " ").splitlines()
    found = {}
    for key, separator, value in (line.partition("=") for line in lines if not line.startswith(("#", ";"))):
        if separator:
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def start(name):
    told = unit(name)
    user = pwd.getpwnam(told.get("User", ["root"])[0])
    for folder in " ".join(told.get("StateDirectory", [])).split():
        Path("/var/lib", folder).mkdir(mode=0o700, exist_ok=True)
        os.chown(Path("/var/lib", folder), user.pw_uid, user.pw_gid)
    given = dict(pair.split("=", 1) for value in told.get("Environment", []) for pair in shlex.split(value))
    place = {"cwd": told.get("WorkingDirectory", ["/"])[0], "user": user.pw_uid, "group": user.pw_gid}
    environment = {"PATH": os.environ["PATH"], "HOME": user.pw_dir, **given}
    log = Path(f"/var/log/{name}.log")
    for command in told["ExecStart"] + told.get("ExecStartPost", []):
        arguments = shlex.split(command.replace("%%", "%"))
        with log.open("a") as output:
            streams = {"stdout": output, "stderr": subprocess.STDOUT}
            process = subprocess.Popen(
                arguments, **place, **streams, extra_groups=[], env=environment, start_new_session=True
            )
        if told.get("Type") != ["oneshot"]:
            Path(f"/run/{name}.pid").write_text(str(process.pid))
        elif process.wait():
            sys.exit(f"{name} failed: {log.read_text()}")


def stop(name):
    running = Path(f"/run/{name}.pid")
    if not running.exists():
        return
    pid = int(running.read_text())
    running.unlink()
    try:
        os.kill(pid, signal.SIGTERM)
        for _ in range(600):
            if not Path(f"/proc/{pid}/exe").resolve().is_file():  # a zombie has none
                return
            time.sleep(0.1)
        sys.exit(f"{name} does not stop")
    except (ProcessLookupError, FileNotFoundError):
        """It ended by itself."""


verb, *names = [argument for argument in sys.argv[1:] if argument != "--now"]
for name in (f"{name}.service" if "." not in name else name for name in names):
    if name.endswith(".timer"):
        assert any((folder / re.sub("@[a-z]+", "@", name)).exists() for folder in FOLDERS), name
        continue
    if verb in ("stop", "restart", "disable"):
        stop(name)
    if verb in ("start", "restart", "enable"):
        start(name)
