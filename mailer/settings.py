"""Django's settings, and the only reader of the environment; `mailer.config.environment` says how it is read."""

import secrets
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url

from mailer.config import logs, sentry
from mailer.config.brokers import read_broker
from mailer.config.environment import (
    CONFIG,
    CONFIG_FOLDER,
    LOOPBACK,
    SettingError,
    contact,
    home,
    may_be_public,
    nowhere,
    number,
    origin_of,
    read,
    switch,
    web_address,
    whole,
)
from mailer.config.newsletter import Newsletter, read_newsletters
from mailer.providers.sendgrid import settings as sendgrid
from subscribers import shared_files

_package = Path(__file__).resolve().parent

MAILER_ENV = read("MAILER_ENV", "local")
if MAILER_ENV not in ("local", "production"):
    raise SettingError(f"MAILER_ENV is {MAILER_ENV!r}; it must be local or production.")
PRODUCTION = MAILER_ENV == "production"

NEWSLETTERS: dict[str, Newsletter] = read_newsletters(CONFIG) if CONFIG else {}

# ---------------------------------------------------------------- files of this installation


def _prepare_home(folder: Path) -> Path:
    """Create the folder, closed to other users and kept out of git."""
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)  # addresses and link keys lie in it
        ignore = folder / ".gitignore"
        if not ignore.exists() or not ignore.stat().st_size:  # empty where it once found no room
            ignore.write_text("*\n")
    except OSError as error:
        raise SettingError(
            f"MAILER_HOME is {folder}, which is not writable ({error.strerror}); choose another folder."
        ) from error
    return folder


# Without a newsletter, `mailer manage --help` and `mailer doctor` work and create nothing.
HOME = home() if nowhere() else _prepare_home(home())
MAILER_HOME_EPHEMERAL = switch("MAILER_HOME_EPHEMERAL")


def _secret_key() -> str:
    given = read("SECRET_KEY")
    # Five different letters and no "django-insecure-" are what Django's deploy check asks for.
    if PRODUCTION and (len(given) < 50 or len(set(given)) < 5 or given.startswith("django-insecure-")):
        raise SettingError(
            "SECRET_KEY must be set in production, to at least 50 random characters; `openssl rand -hex 32` "
            "creates one."
        )
    if given:
        return given
    if nowhere():
        return secrets.token_urlsafe(48)
    return _key_kept_in(HOME / "secret_key")


def _key_kept_in(path: Path) -> str:
    """Return the key in this file, the same for all processes; the first of them makes it."""
    try:
        # Locked, or a second process could read before the first has written, and go on without a key.
        with shared_files.locked(path) as file:
            key = file.read().decode()
            if not key:  # a new file, or that of a process that was killed here
                key = secrets.token_urlsafe(48)
                file.write(key.encode())
    except OSError as error:
        raise SettingError(
            f"{path} cannot be used ({error.strerror}); free some space, or set SECRET_KEY or another MAILER_HOME."
        ) from error
    return key


SECRET_KEY = _secret_key()

# ---------------------------------------------------------------- the provider

# The email provider. With two, the one whose key is set is chosen here; each has its own folder.
PROVIDER_CLASS = "mailer.providers.sendgrid.provider.SendGrid"
SENDGRID_API_KEY = sendgrid.API_KEY
SENDGRID_API_URL = sendgrid.API_URL
SENDGRID_WEBHOOK_KEYS = sendgrid.WEBHOOK_KEYS
if PRODUCTION and not SENDGRID_API_KEY:
    raise SettingError("SENDGRID_API_KEY must be set in production: without it every send would be a rehearsal.")
# A send is bound to the provider it was planned for; a worker takes only sends of its own.
PROVIDER = sendgrid.HOST if SENDGRID_API_KEY else "rehearsal"
PROVIDER_IS_LOCAL = not SENDGRID_API_KEY or PROVIDER in LOOPBACK

BASE_URL = web_address("BASE_URL", "http://127.0.0.1:8000", "because subscribers' links lead there")
if PRODUCTION and (not BASE_URL.startswith("https://") or not may_be_public(str(urlsplit(BASE_URL).hostname))):
    raise SettingError(
        f"BASE_URL is {BASE_URL!r}; in production it must be the public https address of this installation."
    )

try:
    ORIGIN = origin_of(BASE_URL)
except UnicodeError:
    raise SettingError(f"BASE_URL is {BASE_URL!r}, whose host is not a domain name.") from None

MAILER_HTTP_TIMEOUT = number("MAILER_HTTP_TIMEOUT", 20, 0.1)
MAILER_LEASE = number("MAILER_LEASE", 60, 0.3)
if MAILER_LEASE < 3 * MAILER_HTTP_TIMEOUT:
    raise SettingError(
        f"MAILER_LEASE is {MAILER_LEASE:g} s; it must be at least three times MAILER_HTTP_TIMEOUT "
        f"({MAILER_HTTP_TIMEOUT:g} s), or slow answers would count as lost."
    )
# Seconds that a worker which lost the database lets web processes unsubscribe first who left meanwhile.
MAILER_LEAVING_WAIT = number("MAILER_LEAVING_WAIT", 15, 0)
MAILER_LANES = whole("MAILER_LANES", 4, 1, 64)
# 25 h: SendGrid repeats a failed post for 24. Silence of a 25th of it is enough to ask a person.
MAILER_EVIDENCE_WAIT = number("MAILER_EVIDENCE_WAIT", 90_000, 1)
MAILER_EVENTS_DAYS = whole("MAILER_EVENTS_DAYS", 90, 2, 3650)
MAILER_BATCH_SIZE = whole("MAILER_BATCH_SIZE", 1000, 1, 1000)
MAILER_PROXIES = whole("MAILER_PROXIES", 0, 0, 10)
MAILER_METRICS_TOKEN = read("MAILER_METRICS_TOKEN")
# Who runs commands, where many people are one user of the system: kept in the audit log, as a claim.
MAILER_OPERATOR = read("MAILER_OPERATOR")
MAILER_SECURITY_CONTACT = contact("MAILER_SECURITY_CONTACT")
PORT = whole("PORT", 0, 0, 65535)
MAILER_WEB_PROCESSES = whole("MAILER_WEB_PROCESSES", 2, 1, 64)
MAILER_WEB_THREADS = whole("MAILER_WEB_THREADS", 8, 1, 64)

# ---------------------------------------------------------------- database and broker


def _database() -> dict[str, Any]:
    url = read("DATABASE_URL")
    if not url:
        return _sqlite(HOME / "mailer.sqlite3")
    try:
        database: dict[str, Any] = dict(dj_database_url.parse(url))
    except (ValueError, KeyError, dj_database_url.UnknownSchemeError):
        raise SettingError("DATABASE_URL is not valid; give postgres://user@host/name or sqlite:///path.") from None
    if "sqlite" in database["ENGINE"]:
        return _sqlite(Path(database["NAME"]))
    if "postgresql" not in database["ENGINE"]:
        raise SettingError("DATABASE_URL must name PostgreSQL or SQLite; other databases are not supported.")
    # Connections that a restart of the server killed are found before they are used.
    database["OPTIONS"] = {
        "connect_timeout": 5,
        # A machine that vanished is noticed within half a minute, not after TCP's quarter of an hour.
        "keepalives_idle": 30,
        "tcp_user_timeout": 30_000,
        **database.get("OPTIONS", {}),
        # A pool that does not give up soon waits twice as long after each failure, and a server that is back after a
        # minute is found a minute later.
        "pool": {
            "min_size": 0,
            "max_size": max(16, MAILER_WEB_THREADS + 4),
            "timeout": 10,
            "reconnect_timeout": 2,
        },
    }
    database["ENGINE"] = "mailer.postgresql"
    database["CONN_MAX_AGE"] = 0
    database["CONN_HEALTH_CHECKS"] = True
    return database


def _sqlite(path: Path) -> dict[str, Any]:
    if sqlite3.sqlite_version_info < (3, 35):
        raise SettingError(
            f"SQLite {sqlite3.sqlite_version} is too old (3.35 is needed); set DATABASE_URL to PostgreSQL."
        )
    if str(path) in ("", ":memory:"):
        raise SettingError("DATABASE_URL names a database in memory, which no second process could see; name a file.")
    return {
        "ENGINE": "mailer.sqlite",
        "NAME": path,
        "CONN_MAX_AGE": 60,  # to open one with its PRAGMAs for each request was a quarter of a one-click unsubscribe
        "OPTIONS": {
            # IMMEDIATE: with the default, concurrent writers fail as "locked" half of the time.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # Each slot has a connection of its own. With 64 MB of cache for each and a mapped file a send to 400,000
            # took 286 MB, and no less time. What planning sorts goes to a file, or memory would grow with the audience.
            # synchronous=FULL: an attempt must survive a power cut, or a restart would mail its subscribers again.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-4000;"
            "PRAGMA temp_store=FILE; PRAGMA journal_size_limit=67108864;",
        },
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

BROKER = read_broker(read("CELERY_BROKER_URL") or read("REDIS_URL"))
BROKER_URL = BROKER.url
EMBEDDED = not BROKER_URL

# ---------------------------------------------------------------- Django

DEBUG = False
ROOT_URLCONF = "mailer.web.urls"
WSGI_APPLICATION = "mailer.web.wsgi.application"
ALLOWED_HOSTS = sorted({str(urlsplit(ORIGIN).hostname), *LOOPBACK})
OWN_APPS = ["subscribers", "mailer"]
INSTALLED_APPS = [
    "django.contrib.staticfiles",
    *OWN_APPS,
    # The rest is for /admin/ alone.
    "mailer.web.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "axes",
]
MIDDLEWARE = [
    "mailer.web.views.access_log",
    "mailer.web.views.nothing_loaded",
    "mailer.web.views.head_without_body",
    "mailer.web.waiting.InTime",
    "mailer.web.refusals.BodiesThatCame",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "mailer.web.hosts.WithSingleSlashes",
    "mailer.web.hosts.WithItsSlash",
    "mailer.web.hosts.OwnOrigin",
    "mailer.web.hosts.UnderAnyName",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
# The editor's own take the place of ours. In the wheel ours travel inside the package; in a checkout they stand at the
# top.
OWN_TEMPLATES = CONFIG_FOLDER / "templates"
TEMPLATE_FOLDERS = [
    OWN_TEMPLATES,  # even if it does not exist yet: a running preview finds the first file in it
    *(folder for folder in (_package / "templates", _package.parent / "templates") if folder.is_dir()),
]
TEMPLATES = [
    {
        "BACKEND": "mailer.content.mjml.MjmlTemplates",
        "NAME": "mjml",
        "DIRS": TEMPLATE_FOLDERS,
        "OPTIONS": {
            "builtins": ["django.templatetags.i18n", "mailer.content.filters"],
            "debug": True,  # an error carries its file and line
        },
    },
    {
        "BACKEND": "mailer.content.templates.Templates",
        "NAME": "pages",
        "DIRS": TEMPLATE_FOLDERS,
        "OPTIONS": {
            "builtins": ["django.templatetags.i18n", "mailer.content.filters"],
            "context_processors": ["django.template.context_processors.csrf"],
            "debug": True,
        },
    },
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "NAME": "admin",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
EMAIL_BACKEND = "mailer.providers.backend.ProviderBackend"

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # the few files are served from the package; nothing to collect
USE_TZ = True
TIME_ZONE = "UTC"  # Celery reads this too: anything else shifts its clock.
USE_I18N = True
LANGUAGE_CODE = "en"
# Our texts exist in these; a newsletter may be in any. The names stand in the subscriber's preferences.
LANGUAGES = [
    ("en", "English"),
    ("ar", "العربية"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
    ("ja", "日本語"),
    ("zh-hans", "简体中文"),
    ("zh-hant", "繁體中文"),
]
LOCALE_PATHS = [folder for folder in (_package / "locale", _package.parent / "locale") if folder.is_dir()]

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Five wrong passwords for a name from one network lock /admin/ for that name from there, for a quarter of
# an hour that further attempts do not prolong. By the name alone anybody could lock the operator out.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["ip_address", "username"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "mailer.web.admin_site.visitor"
AXES_LOCKOUT_CALLABLE = "mailer.web.admin_site.locked"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False

_https = BASE_URL.startswith("https://")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_HTTPONLY = True
# Our own forms come from there, whatever a proxy does to Host and https.
CSRF_TRUSTED_ORIGINS = [ORIGIN]
SESSION_COOKIE_PATH = "/admin/"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "no-referrer"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if MAILER_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536
FILE_UPLOAD_HANDLERS = ["mailer.web.views.NoFiles"]
CSRF_FAILURE_VIEW = "subscribers.web.views.without_our_form"
SILENCED_SYSTEM_CHECKS = [
    # The checks look at the first engine only; /admin/ has its own.
    "admin.E402",
    "admin.E404",
    # Whether other hosts of the domain speak https is their owner's to say.
    "security.W005",
    "security.W021",
    # The proxy in front speaks https. A one-click POST must never be answered by a redirect (RFC 8058).
    "security.W008",
]

# What `subscribers` needs to know of the installation, which it may not import.
LINK_KEYS = "mailer.store.installation.link_keys"
LINK_KEYS_AGAIN = "mailer.store.installation.link_keys_again"
FORGET = "mailer.privacy.erasing.forget_subscriber"  # called in the transaction that erases a subscriber
MAY_MAIL = "mailer.store.accounts.may_mail"
ENQUEUE = "mailer.broker.enqueue"  # called after the commit that leaves a single email to a worker
CARD = "mailer.store.page_images.card"  # the file of what other sites show of a newsletter
HELD = "mailer.privacy.exporting.sends_of"  # what else a subscriber who asks is told
ISSUES = "mailer.archive.latest"  # the latest in the archive, for the pages that invite
OPTOUTS = HOME / "optouts.log"
# Leavings while the database is down are kept here; None if the disk may be empty at the next start.
LEAVING_JOURNAL = None if MAILER_HOME_EPHEMERAL else HOME / "leaving.jsonl"

# ---------------------------------------------------------------- log: ids and phrases, never an address or a key

MAILER_LOG_LEVEL = read("MAILER_LOG_LEVEL", logs.default_level()).upper()
if MAILER_LOG_LEVEL not in logs.LEVELS:
    raise SettingError(f"MAILER_LOG_LEVEL is {MAILER_LOG_LEVEL!r}; it must be one of {', '.join(logs.LEVELS)}.")
MAILER_LOG_FORMAT = read("MAILER_LOG_FORMAT", "text")
if MAILER_LOG_FORMAT not in logs.FORMATS:
    raise SettingError(f"MAILER_LOG_FORMAT is {MAILER_LOG_FORMAT!r}; it must be text or json.")

SENTRY_DSN = read("SENTRY_DSN")
if SENTRY_DSN and (why := sentry.why_unusable(SENTRY_DSN)):
    raise SettingError(f"SENTRY_DSN {why}")

LOGGING = logs.configuration(MAILER_LOG_LEVEL, MAILER_LOG_FORMAT)
