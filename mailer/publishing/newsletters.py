"""Choose the newsletter that is meant."""

from django.conf import settings

from mailer.config.newsletter import Newsletter
from mailer.publishing.errors import CorrectRequest


def choose_newsletter(name: str | None) -> Newsletter:
    """Return the configured newsletter of that label, or the only one without a label. Raises CorrectRequest."""
    known: dict[str, Newsletter] = settings.NEWSLETTERS
    if not known:
        raise CorrectRequest(
            f"no newsletter.toml at or above {settings.CONFIG_FOLDER}; run `mailer init` or set MAILER_CONFIG."
        )
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        listed = ", ".join(known)
        what = f"there is no newsletter {name!r}" if name else "several newsletters are configured"
        raise CorrectRequest(f"{what} in {settings.CONFIG}; choose one with --newsletter: {listed}.")
    return known[name]
