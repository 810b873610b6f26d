"""Choose which of our languages is used for a newsletter's subscribers."""

from django.conf import settings
from django.utils.translation import get_language_info, get_supported_language_variant, gettext


def supported(language: str) -> str:
    """Return our language nearest to the given one: zh-CN is zh-hans; an unsupported one is English."""
    try:
        return get_supported_language_variant(language.lower().replace("_", "-"))
    except LookupError:
        return str(settings.LANGUAGE_CODE)


def chosen(language: str, otherwise: str) -> str:
    """Return the language that a subscriber chose, or `otherwise` if none or an unsupported one."""
    try:
        return get_supported_language_variant(language.lower().replace("_", "-"))
    except LookupError:
        return otherwise


def titled(label: str) -> str:
    """Name a newsletter as people call it, with the language that it is written in: The Weekly (English)."""
    newsletter = settings.NEWSLETTERS.get(label)
    if newsletter is None:
        return label
    try:
        language = get_language_info(newsletter.language.lower())["name_translated"]
    except KeyError:
        language = newsletter.language
    return gettext("%(name)s (%(language)s)") % {"name": newsletter.name, "language": language}


def tag(language: str) -> str:
    """Return the language as HTML writes it: zh-Hans."""
    first, *script = language.split("-")
    return "-".join([first, *(part.title() for part in script)])
