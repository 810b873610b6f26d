"""The packages of requirements.lock are enough for everything that the product loads, and nothing else is used."""

import os
import re
import subprocess

import pytest

from tests import installed
from tests.environment import clean

# What others load for us by name, when it is first needed.
LOADED_BY_NAME = [
    "axes.backends",
    "axes.handlers.database",
    "axes.middleware",
    "celery.app.amqp",
    "celery.app.control",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "django.db.backends.postgresql.base",
    "django.db.backends.postgresql.psycopg_any",
    "django.db.backends.sqlite3.base",
    "gunicorn.app.base",
    "gunicorn.glogging",
    "gunicorn.workers.gthread",
    "honcho.command",
    "psycopg_binary",
    "psycopg_pool",
    "whitenoise.middleware",
]
EACH_MODULE = """
import importlib, pkgutil, sys
import django; django.setup()
import mailer, subscribers
for package in (mailer, subscribers):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda name: sys.exit(name)):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
for name in sys.argv[1:]:
    importlib.import_module(name)
print("loaded:", sum(name.split(".")[0] in ("mailer", "subscribers") for name in sys.modules))
"""
BROKERS = ["redis://h", "rediss://h", "redis+socket:///run/x", "amqp://h", "amqps://h", "memory://"]
EACH_BROKER = "import sys, kombu; [kombu.Connection(url).transport for url in sys.argv[1:]]; print('all')"
TIME_ZONE = "import zoneinfo; print(zoneinfo.ZoneInfo('Asia/Shanghai').key)"
PACKAGES = """
import importlib.metadata, importlib.util
print("packages:", *(package.metadata["Name"] for package in importlib.metadata.distributions()))
print("found:", *(name for name in ("pytest", "tests", "pip", "setuptools") if importlib.util.find_spec(name)))
"""


@pytest.fixture
def python(tmp_path):
    """Run code in the installed environment, in an empty folder."""

    def run(code: str, *arguments: str, **environment: str) -> str:
        home = {"MAILER_HOME": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "mailer.settings"}
        done = subprocess.run(
            [str(installed.python()), "-c", code, *arguments],
            cwd=tmp_path,
            env=clean(dict(os.environ)) | home | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_each_module_finds_what_it_imports(python):
    modules = sum(
        path.suffix == ".py" for name in ("mailer", "subscribers") for path in (installed.ROOT / name).rglob("*")
    )
    loaded = int(re.search(r"loaded: (\d+)", python(EACH_MODULE, *LOADED_BY_NAME))[1])
    assert loaded >= modules - 1, "all but mailer/__main__.py"


def test_each_kind_of_broker_finds_what_it_imports(python):
    """kombu's Redis transport imports a package that only `celery[redis]` brings."""
    assert python(EACH_BROKER, *BROKERS) == "all\n"


def test_time_zones_are_known_where_the_system_knows_none(python):
    assert python(TIME_ZONE, PYTHONTZPATH="") == "Asia/Shanghai\n"


def test_nothing_is_installed_but_the_product_and_its_lock(python):
    packages, found = python(PACKAGES).splitlines()
    locked = set(re.findall(r"^([a-z0-9-]+)==", installed.LOCK.read_text(), flags=re.M))
    names = {re.sub(r"[-_.]+", "-", name).lower() for name in packages.split()[1:]}
    assert names - locked == {"markdown-mailer"}
    assert found == "found:"


def test_a_changed_source_is_another_environment(monkeypatch):
    """A test never runs what was installed before the last change."""
    before = installed._fingerprint(installed._sources())
    changed = installed.ROOT / "mailer" / "celery.py"
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: b"" if path == changed else path.open("rb").read())
    assert installed._fingerprint(installed._sources()) != before
