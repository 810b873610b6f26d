"""Recreate the rows of the first migrations: tests that commit leave empty tables, and migrations do not run again."""

from datetime import UTC, datetime, timedelta

from mailer.models import Installation, LinkKey
from mailer.store import installation, rotating
from mailer.store.installation import row_of

KEY = bytes.fromhex("11" * 32)


def an_installation() -> None:
    """Create an installation with a link key: this one, if there is none."""
    Installation.objects.get_or_create(pk=1, defaults={"link_keys": [KEY.hex()], "suppression_key": KEY.hex()})
    if not LinkKey.objects.filter(key__isnull=False).exists():
        row_of(KEY, datetime(2026, 1, 1, tzinfo=UTC)).save()


def a_newer_key_signs() -> int:
    """Create a key that has been signing for a while and that this process knows; return its number."""
    new = rotating.rotate()
    LinkKey.objects.filter(pk=new.number).update(signs_from=new.created_at - timedelta(minutes=5))
    installation.reread()
    return new.number
