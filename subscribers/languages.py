"""Which of our languages speaks to the readers of a newsletter."""

from django.conf import settings
from django.utils.translation import get_language_info, get_supported_language_variant, gettext


def supported(language: str) -> str:
    """The language of ours nearest to the given one: zh-CN is zh-hans; one that we do not speak is English."""
    try:
        return get_supported_language_variant(language.lower().replace("_", "-"))
    except LookupError:
        return str(settings.LANGUAGE_CODE)


def chosen(language: str, otherwise: str) -> str:
    """The language of ours that a reader chose; `otherwise`, where they chose none or one that we do not speak."""
    try:
        return get_supported_language_variant(language.lower().replace("_", "-"))
    except LookupError:
        return otherwise


def titled(label: str) -> str:
    """A newsletter as people call it, with the language that it is written in: The Weekly (English)."""
    newsletter = settings.NEWSLETTERS.get(label)
    if newsletter is None:
        return label
    try:
        language = get_language_info(newsletter.language.lower())["name_translated"]
    except KeyError:
        language = newsletter.language
    return gettext("%(name)s (%(language)s)") % {"name": newsletter.name, "language": language}


def tag(language: str) -> str:
    """As HTML writes a language of ours: zh-Hans."""
    first, *script = language.split("-")
    return "-".join([first, *(part.title() for part in script)])
