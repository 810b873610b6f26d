"""`mailer doctor --security`: check that this installation is closed to outsiders.

What it cannot see it says: it must not be taken for more than it is.
"""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from mailer.cli.doctor import here
from mailer.cli.doctor.check import guarded
from mailer.cli.terminal import counted, quoted
from mailer.providers.current import configured_provider
from mailer.providers.protocol import Check

LONG = 50  # characters of SECRET_KEY, as production asks for
TOKEN = 16  # of MAILER_METRICS_TOKEN, at least
UNUSED = timedelta(days=90)  # since the last login


def checks() -> Iterator[Check]:
    """Yield what an operator can secure better, with whether each thing is in order."""
    yield environment()
    yield secret_key()
    yield from files()
    yield metrics()
    yield webhook()
    yield contact()
    yield debug()
    database = guarded("database", here.database)
    yield database
    if database.state == "ok":
        yield guarded("proxies", here.proxies)
        yield guarded("operators", operators)
    yield from unseen()


def environment() -> Check:
    if settings.PRODUCTION:
        return Check("MAILER_ENV", "ok", f"production; subscribers' links lead to {settings.BASE_URL}")
    detail = "local: unsafe settings are accepted; set MAILER_ENV=production on a server"
    return Check("MAILER_ENV", "warning", detail)


def secret_key() -> Check:
    if len(settings.SECRET_KEY) < LONG:
        fix = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
        return Check("SECRET_KEY", "error", f"shorter than {LONG} characters; logins could be forged: {fix} makes one")
    return Check("SECRET_KEY", "ok", f"{LONG} characters or more")


def files() -> Iterator[Check]:
    """Yield each place with addresses or keys that every user of this machine can open."""
    home, database = Path(settings.HOME), settings.DATABASES["default"]
    kept = [home, settings.CONFIG_FOLDER / ".env"]
    if "sqlite" in database["ENGINE"] and not Path(database["NAME"]).is_relative_to(home):
        kept.append(Path(database["NAME"]))
    there = [path for path in kept if path.exists()]
    opened = [path for path in there if _is_open(path)]
    for path in opened:
        what = f"every user of this machine can open {path}; run `chmod o= {quoted(path)}`"
        yield Check("files", "error", what)
    if there and not opened:
        yield Check("files", "ok", f"not open to every user: {', '.join(map(str, there))}")
    if os.geteuid() == 0:
        yield Check("user", "warning", "running as root; run mailer as a user of its own, as deploy/ does")


def _is_open(path: Path) -> bool:
    """Tell whether everybody can read or write it, and reach it. A user's own group counts as that user."""
    reachable = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.absolute().parents)
    return reachable and bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))


def metrics() -> Check:
    token = settings.MAILER_METRICS_TOKEN
    if not token:
        return Check("/metrics", "ok", "no token is set: closed in production, open to this machine elsewhere")
    if len(token) < TOKEN:
        return Check("/metrics", "warning", f"MAILER_METRICS_TOKEN has fewer than {TOKEN} characters; use a longer one")
    return Check("/metrics", "ok", "open to requests with MAILER_METRICS_TOKEN")


def webhook() -> Check:
    provider = configured_provider()
    if provider.events is None:
        return Check("webhook", "ok", f"{provider.names.provider} reports nothing, and every post is refused")
    if keys := provider.events.keys():
        return Check("webhook", "ok", f"posts need the signature of {counted(len(keys), 'key')}")
    detail = f"{provider.names.events} is not set: every post is refused, and bounces and complaints are never recorded"
    return Check("webhook", "warning", detail)


def contact() -> Check:
    if settings.MAILER_SECURITY_CONTACT:
        return Check("security.txt", "ok", settings.MAILER_SECURITY_CONTACT)
    detail = "no contact for security reports; set MAILER_SECURITY_CONTACT"
    return Check("security.txt", "warning", detail)


def debug() -> Check:
    if settings.DEBUG:
        return Check("debug", "error", "on: error pages show settings and rows; start mailer with its own commands")
    return Check("debug", "ok", "off; no setting turns it on")


def operators() -> Check:
    """Check the accounts that can see subscribers at /admin/, and whether they are used."""
    from django.contrib.auth.models import User
    from django.db.models import Q

    from mailer.store import clock

    accounts = User.objects.filter(is_active=True, is_staff=True)
    unused = Q(last_login=None) | Q(last_login__lt=clock.now() - UNUSED)
    idle = accounts.filter(unused).count()
    said = (
        f"{counted(accounts.count(), 'account')} of /admin/, {accounts.filter(is_superuser=True).count()} of superusers"
    )
    if idle:
        cure = "`mailer manage shell` deletes or deactivates those that are not needed"
        return Check("operators", "warning", f"{said}; {idle} without a login for {UNUSED.days} days: {cure}")
    return Check("operators", "ok", said)


def unseen() -> Iterator[Check]:
    """Yield what this command did not check."""
    scan = "not checked; scan the release's sbom.cdx.json, and stay on the newest release"
    yield Check("packages with known vulnerabilities", "warning", scan)
    yield Check("backups", "warning", "not checked; encrypt backups that leave this machine, and delete old ones")
