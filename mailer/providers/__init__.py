"""Email providers: one folder each, and what mailer asks of each in `protocol`.

`answers`, `messages`, `headers`, `events`, `policies` and `no_such_user` are neutral: they belong to no provider, nor
does `transport`, which posts over HTTP. `rehearsal` keeps the record of email that nobody receives, and `current`
returns the provider that this installation is configured for.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules


def settings_of_all() -> Iterator[str]:
    """Yield the environment variables that set up the providers: `SETTINGS` of each folder."""
    for found in iter_modules(__path__):
        if found.ispkg:
            yield from import_module(f"{__name__}.{found.name}").SETTINGS
