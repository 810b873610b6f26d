"""Who this installation is, and the keys that its readers' links are signed with."""

from functools import cache

from mailer.models import Installation


def this_installation() -> Installation:
    return Installation.objects.get(pk=1)


@cache
def public_id() -> str:
    """The id that `/healthz` answers and that custom_args carry; it never changes."""
    return str(this_installation().public_id)


@cache
def link_keys() -> tuple[bytes, ...]:
    """Oldest first: the newest signs, all are accepted, the oldest keys suppression hashes. Read once a process."""
    return tuple(bytes.fromhex(key) for key in this_installation().link_keys)
