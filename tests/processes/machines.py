"""Clean machines: Debian as its installer leaves it, in a folder."""

import re
import subprocess
from pathlib import Path

from tests.installed import ROOT

# So that a company's package index and its authority are found in there, too.
_SHARED = ("/etc/ssl/certs", "/usr/local/share/ca-certificates", "/etc/pip.conf", "/etc/xdg/pip", "/etc/resolv.conf")
OF_THIS_MACHINE = [path for path in _SHARED if Path(path).exists()]


def run(*command: str) -> str:
    """Run the command and return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def debian(folder: Path, *packages: str) -> None:
    """Install Debian of this machine's release, with these additional packages."""
    release = Path("/etc/os-release").read_text()
    codename = re.search(r"^VERSION_CODENAME=(\w+)$", release, flags=re.M)
    assert codename, release
    include = f"--include={','.join(['ca-certificates', *packages])}"
    command = ["debootstrap", "--variant=minbase", include, codename[1], str(folder)]
    for _ in range(2):  # it gives up at the first download that fails, and goes on where it was when it is run again
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
    run(*command)
