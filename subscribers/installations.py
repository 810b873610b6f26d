"""Which single emails this process may send: other installations may work on the same database.

Everything else waits untouched for the installation that it belongs to.
"""

from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string


def may_mail() -> bool:
    """Tell whether this process can send single emails, for example has an API key."""
    return bool(import_string(settings.MAY_MAIL)())


def newsletters_here() -> Q:
    """Match rows of the newsletters that this process's newsletter.toml has, and not of others with the same name.

    Rows without a list_id were written by an older version.
    """
    here = Q(pk__in=[])
    for label, newsletter in settings.NEWSLETTERS.items():
        here |= Q(newsletter=label, list_id__in=("", newsletter.list_id))
    return here


def list_id_of(newsletter: str) -> str:
    """Return the list_id that rows of this newsletter are written with here."""
    configured = settings.NEWSLETTERS.get(newsletter)
    return configured.list_id if configured else ""
