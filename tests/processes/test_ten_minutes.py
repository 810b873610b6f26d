"""Follow docs/ten-minutes.md on a clean Debian: each command for the bare server, exactly as written.

Programs come from Debian and the package index; then the machine has no network but its own, in which the stand-in
plays SendGrid.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests import parts
from tests.installed import ROOT
from tests.processes.conftest import CONFIG
from tests.processes.machines import OF_THIS_MACHINE, debian, run
from tests.stand_in import KEY

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "ten-minutes.md"
HOST = "news.local"  # for a name under .local Caddy asks no authority for a certificate
ISSUE = "# Hello\n\nThe first issue.\n"
PASSWORD = "a sentence nobody guesses"
# What is typed, chosen or looked at on the way.
BEFORE = f"""
set -eu
umask 077  # as some servers have it for root
export PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin HOME=/root DEBIAN_FRONTEND=noninteractive
export EDITOR=/usr/local/bin/edit
HOST={HOST} NEWSLETTER=/repositories/newsletter MAILER=/repositories/mailer
"""
EDITOR = f"""#!/bin/sh
sed -i 's/^SENDGRID_API_KEY=.*/SENDGRID_API_KEY={KEY}/' "$1"
echo SENDGRID_API_URL=http://127.0.0.1:9000 >> "$1"
"""
JOURNALCTL = """#!/bin/sh
while [ "$1" != -u ]; do shift; done
tail -n 20 "/var/log/$2.service.log"
"""
TYPED = {
    # It names what nobody can have here: a public address, DNS, SendGrid's own settings.
    "mailer doctor": "mailer doctor > /root/doctor || true",
    "mailer manage createsuperuser": "DJANGO_SUPERUSER_USERNAME=ada DJANGO_SUPERUSER_EMAIL=ada@readers.example "
    f"DJANGO_SUPERUSER_PASSWORD={shlex.quote(PASSWORD)} mailer manage createsuperuser --noinput",
    "mailer send issue issues/hello.md": "mailer send issue issues/hello.md --yes",
}
CAUGHT_UP = f"""
for second in $(seq 60); do curl -skf --resolve {HOST}:443:127.0.0.1 https://{HOST}/healthz && break; sleep 1; done
echo
"""

UNTIL_WELL = "for second in $(seq 60); do mailer worker --health && break; sleep 1; done\n"
# As Debian starts them.
POSTGRES_AND_REDIS_RUN = """
mkdir -p /dev/shm && chmod 1777 /dev/shm
pg_ctlcluster $(pg_lsclusters -h | cut -d' ' -f1,2) start
redis-server --daemonize yes >/dev/null
systemctl start mailer-web
"""


def section(title: str) -> list[str]:
    """Return the commands of a section: a string for each block."""
    text = re.split(rf"^##+ {re.escape(title)}$", PAGE.read_text(), flags=re.M)[1]
    text = re.split(r"^##+ ", text, flags=re.M)[0]
    return re.findall(r"^```sh\n(.*?)^```$", text, flags=re.M | re.S)


def typed(commands: str) -> str:
    lines = (TYPED.get(line.partition("  #")[0].strip(), line) for line in commands.splitlines())
    return "\n".join(lines) + "\n"


class Machine:
    """A clean Debian in a folder."""

    def __init__(self, folder: Path) -> None:
        self.system = folder / "system"
        debian(self.system, "curl")  # curl is ours, to look at it from outside
        self._write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
        self._write("usr/local/bin/edit", EDITOR)
        self._write("usr/local/bin/journalctl", JOURNALCTL)
        self._write("usr/local/bin/systemctl", (ROOT / "tests" / "processes" / "systemctl.py").read_text())

    def _write(self, path: str, text: str) -> None:
        (self.system / path).write_text(text)
        (self.system / path).chmod(0o755)

    def repository(self, name: str, files: dict[str, bytes]) -> None:
        folder = self.system / "repositories" / name
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        author = ["-c", "user.name=Ada", "-c", "user.email=ada@readers.example"]
        for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], [*author, "commit", "-q", "-m", "All"]):
            run("git", "-C", str(folder), *arguments)

    def type(self, script: str, *, network: bool, beside: str = "") -> str:
        """Return what the commands print. Without a network, `beside` runs here, in the clean machine's network."""
        (self.system / "script.sh").write_text(BEFORE + script)
        own = "" if network else "ip link set lo up; echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start; "
        mounts = "".join(f"{_mount(path, self.system)}; " for path in OF_THIS_MACHINE)
        before = f"mount -t proc proc {self.system}/proc; {mounts}{own}{beside}"
        enter = f"{before} exec chroot {self.system} /usr/bin/env -i /bin/bash /script.sh"
        # Its own processes end with it.
        spaces = ["--mount", "--pid", "--fork", *([] if network else ["--net"])]
        return run("unshare", *spaces, "--", "sh", "-c", enter)


def _mount(path: str, system: Path) -> str:
    """Return the command that shows the clean machine what lies at this path here."""
    target = system / path.lstrip("/")
    if Path(path).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    return f"mount --bind {path} {target}"


def tracked() -> dict[str, bytes]:
    """Copy the repository as it is here, with uncommitted changes."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return {path: (ROOT / path).read_bytes() for path in listed if path and (ROOT / path).is_file()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    parts.buildah()  # debootstrap, and root
    made = Machine(tmp_path)
    made.repository("mailer", tracked())
    ignored = (ROOT / "mailer" / "starter" / "gitignore").read_bytes()
    made.repository(
        "newsletter",
        {"newsletter.toml": CONFIG.encode(), "issues/hello.md": ISSUE.encode(), ".gitignore": ignored},
    )
    return made


def test_each_command_of_the_bare_server_works_as_it_stands_there(machine: Machine, tmp_path: Path):
    what_is_yours, *blocks = section("On a bare server")
    assert re.findall(r"^(\w+)=", what_is_yours, flags=re.M) == ["HOST", "NEWSLETTER", "MAILER"]
    start = next(number for number, block in enumerate(blocks) if "systemctl" in block)
    machine.type("".join(map(typed, blocks[:start])), network=True)

    upgrade = "".join(section("Upgrade, and go back"))
    without_index = "\n".join(line for line in upgrade.splitlines() if "/bin/pip install" not in line)
    script = [
        *map(typed, blocks[start:]),
        CAUGHT_UP,
        "mailer subscribers add ada@readers.example --active --source 'a test'\n",
        *map(typed, section("Send an issue")),
        "echo == drill\n",
        *section("Back up, and test the backup"),
        "echo == upgraded\n",
        typed(without_index + "\n"),
        CAUGHT_UP,
        "stat -c '%A %U' /etc/mailer/mailer.env /var/lib/mailer /var/lib/mailer-backups/*\n",
        UNTIL_WELL,
        "systemctl stop mailer-web; cat /root/doctor\n",
    ]
    log = tmp_path / "sendgrid.log"
    stand_in = f"{sys.executable} -m tests.stand_in --port 9000 --log {log} & "
    said = machine.type("".join(script), network=False, beside=stand_in)

    before, _, after = said.partition("== drill\n")
    drill, _, upgraded = after.partition("== upgraded\n")
    assert "installation" in before, "Caddy passed /healthz on"
    assert "accepted 1" in before
    assert "ada@readers.example" in drill
    assert re.search(r"hello +finished", drill)
    assert "installation" in upgraded
    assert re.search(r"^-rw-r----- root$", upgraded, flags=re.M), "the settings"
    assert "is healthy" in upgraded
    assert re.search(r"^ok +database", upgraded, flags=re.M), upgraded
    assert "ada@readers.example" in log.read_text()
    takes_postgres_and_a_worker(machine)


def takes_postgres_and_a_worker(machine: Machine) -> None:
    """Continue on the same machine with the page's next section, before there are subscribers."""
    install, _, rest = section("PostgreSQL and separate workers")[0].partition("\n")
    machine.type(f"{install}\n", network=True)
    script = [
        POSTGRES_AND_REDIS_RUN,
        rest,
        UNTIL_WELL,
        "curl -s http://127.0.0.1:8000/readyz; echo\n",
        "mailer subscribers add ben@readers.example --active --source 'a test'\n",
        typed("mailer send issue issues/hello.md\n"),
        "systemctl start mailer-backup.service\n",
        "for unit in mailer-web mailer-worker; do systemctl stop $unit; done\n",
    ]
    stand_in = f"{sys.executable} -m tests.stand_in --port 9000 & "
    said = machine.type("".join(script), network=False, beside=stand_in)
    assert '{"ready": true}' in said
    assert "accepted 1" in said
