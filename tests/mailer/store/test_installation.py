"""Identity and link keys come from the database or, while it is down, from a file that the web process writes."""

import json

import pytest
from django.db import OperationalError

from mailer.models import Installation, LinkKey
from mailer.store import clock, installation, rotating
from tests.installing import a_newer_key_signs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_home_of_its_own(settings, tmp_path):
    settings.HOME = tmp_path


def refuse(**_):
    raise OperationalError("connection refused")


@pytest.fixture
def away(monkeypatch):
    return lambda: monkeypatch.setattr(Installation.objects, "get", refuse)


def test_a_process_that_starts_without_the_database_knows_the_keys_from_the_file(away):
    installation.refresh()
    known = installation.public_id(), installation.link_keys()
    installation.forget()
    away()
    assert (installation.public_id(), installation.link_keys()) == known


def test_the_file_is_for_its_owner_alone(tmp_path):
    installation.refresh()
    assert (tmp_path / "link-keys").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["link-keys"]


def test_keys_that_change_are_known_at_the_next_refresh(away):
    installation.refresh()
    old = installation.link_keys()
    rotating.rotate()
    installation.refresh()
    new = installation.link_keys()
    assert (new.links[:1], len(new.links), new.suppressions) == (old.links, 2, old.suppressions)
    installation.forget()
    away()
    assert installation.link_keys() == new


def test_a_file_of_the_version_before_is_read(tmp_path, away):
    content = {"installation": str(installation.this_installation().public_id), "link_keys": ["11" * 32, "22" * 32]}
    (tmp_path / "link-keys").write_text(json.dumps(content))
    away()
    keys = installation.link_keys()
    assert keys.verifying() == (b"\x11" * 32, b"\x22" * 32)
    assert (keys.signing(clock.estimated()), keys.suppressions) == (b"\x22" * 32, b"\x11" * 32)


def test_an_unknown_signature_is_looked_up_once_in_five_seconds(monkeypatch, django_assert_num_queries):
    now = [1000.0]
    monkeypatch.setattr(installation.time, "monotonic", lambda: now[0])
    installation.link_keys()
    rotating.rotate()
    assert len(installation.link_keys_again().links) == 2
    rotating.retire(LinkKey.objects.latest("pk").pk)
    with django_assert_num_queries(0):
        for _ in range(100):
            assert len(installation.link_keys_again().links) == 2
    now[0] += 5
    assert len(installation.link_keys_again().links) == 1


def test_a_look_that_failed_is_repeated(monkeypatch):
    installation.link_keys()
    with monkeypatch.context() as gone:
        gone.setattr(Installation.objects, "get", refuse)
        for _ in range(2):
            with pytest.raises(OperationalError):
                installation.link_keys_again()
    rotating.rotate()
    assert len(installation.link_keys_again().links) == 2


def test_a_restored_database_learns_of_the_keys_that_signed_since_its_backup():
    """Emails with their signatures are in people's mailboxes."""
    installation.refresh()
    backup = list(LinkKey.objects.all())
    a_newer_key_signs()
    installation.refresh()
    lost = installation.link_keys().links[-1].key
    LinkKey.objects.exclude(pk__in=[one.pk for one in backup]).delete()
    installation.refresh()
    keys = installation.link_keys()
    assert keys.verifying()[-1] == lost
    assert keys.signing(clock.now()) != lost, "other processes do not know it yet"
    assert keys.signing(clock.now() + installation.WAIT) == lost


def test_a_key_that_was_retired_stays_so_in_a_restored_database():
    old = LinkKey.objects.get()
    a_newer_key_signs()
    rotating.retire(old.pk)
    installation.refresh()
    new = installation.link_keys().links[0].key
    # The backup is older than both.
    LinkKey.objects.all().delete()
    old.save(force_insert=True)
    installation.refresh()
    assert installation.link_keys().verifying() == (new,)
    assert LinkKey.objects.get(pk=old.pk).key is None


def test_a_key_that_was_retired_stays_so_after_a_backup_from_before_it_and_then_a_newer_one():
    """Whoever restores the wrong backup restores another, in which the leaked key is still valid."""
    first = LinkKey.objects.get()
    leaked = a_newer_key_signs()
    alive = LinkKey.objects.get(pk=leaked)
    a_newer_key_signs()
    rotating.retire(leaked)
    installation.refresh()
    for backup in ([first], [first, alive]):
        LinkKey.objects.all().delete()
        LinkKey.objects.bulk_create(backup)
        installation.refresh()
        installation.refresh()
    assert bytes.fromhex(alive.key) not in installation.link_keys().verifying()
    assert [one.state for one in rotating.listed() if one.number == leaked] == ["retired"]


def test_keys_of_another_installation_are_not_taken_over(tmp_path):
    content = {"installation": "another", "link_keys": ["33" * 32]}
    (tmp_path / "link-keys").write_text(json.dumps(content))
    installation.refresh()
    assert LinkKey.objects.count() == 1
    assert "33" * 32 not in (tmp_path / "link-keys").read_text()


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
    assert "link keys not saved to file" in caplog.text
