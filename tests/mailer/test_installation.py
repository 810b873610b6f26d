"""Who we are and the link keys, from the database or, while it is away, from the file that a web process keeps."""

import pytest
from django.db import OperationalError

from mailer import installation
from mailer.models import Installation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_home_of_its_own(settings, tmp_path):
    settings.HOME = tmp_path


def anew():
    """As another process, which has read nothing yet."""
    installation.public_id.cache_clear()
    installation.link_keys.cache_clear()


@pytest.fixture
def away(monkeypatch):
    def refuse(**_):
        raise OperationalError("connection refused")

    return lambda: monkeypatch.setattr(Installation.objects, "get", refuse)


def test_a_process_that_starts_without_the_database_knows_the_keys_from_the_file(away):
    installation.refresh()
    known = installation.public_id(), installation.link_keys()
    anew()
    away()
    assert (installation.public_id(), installation.link_keys()) == known


def test_the_file_is_for_its_owner_alone(tmp_path):
    installation.refresh()
    assert (tmp_path / "link-keys").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["link-keys"]


def test_keys_that_change_are_known_at_the_next_refresh(away):
    installation.refresh()
    old = installation.link_keys()
    Installation.objects.update(link_keys=["11" * 32, "22" * 32])
    installation.refresh()
    assert installation.link_keys() != old
    new = installation.link_keys()
    anew()
    away()
    assert installation.link_keys() == new


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"installation": "a", "link_keys": []}', b"\xff"])
def test_a_file_that_cannot_be_read_is_none(tmp_path, away, content):
    (tmp_path / "link-keys").write_bytes(content)
    assert not installation.is_on_file()
    away()
    with pytest.raises(OperationalError):
        installation.link_keys()


def test_a_home_that_cannot_be_written_stops_nobody(settings, tmp_path, caplog):
    settings.HOME = tmp_path / "missing"
    installation.refresh()
    assert installation.link_keys()
    assert "not on file" in caplog.text
