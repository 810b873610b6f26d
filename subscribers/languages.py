"""Choose which of our languages is used for a newsletter's subscribers."""

from gettext import find
from gettext import translation as catalogue
from typing import Literal

from django.conf import settings
from django.utils.translation import get_language_info, get_supported_language_variant, gettext, to_locale
from django.utils.translation.trans_real import parse_accept_lang_header

RIGHT_TO_LEFT = ("ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi")


def is_ours(language: str) -> bool:
    """Tell whether pages and emails speak this language, or one near to it."""
    return bool(_nearest(language))


def is_reviewed(language: str) -> bool:
    """Tell whether a native speaker has read our texts in this language of ours.

    The head of its catalogue says `X-Reviewed: no` until then.
    """
    for folder in settings.LOCALE_PATHS:
        if find("django", folder, [to_locale(language)]):
            return catalogue("django", folder, [to_locale(language)]).info().get("x-reviewed") != "no"
    return True  # English needs no catalogue


def supported(language: str) -> str:
    """Return the language of ours nearest to the given one: zh-CN is zh-hans; one that we do not speak is English."""
    return _nearest(language) or str(settings.LANGUAGE_CODE)


def preferred(accept_language: str) -> list[str]:
    """Return those of our languages that a browser asks for by this header, what it prefers first."""
    asked = (_nearest(language) for language, _ in parse_accept_lang_header(accept_language))
    return list(dict.fromkeys(filter(None, asked)))


def chosen(language: str, otherwise: str) -> str:
    """Return our language nearest to what a subscriber chose, or `otherwise` if none is like it."""
    return _nearest(language) or supported(otherwise)


def _nearest(language: str) -> str:
    try:
        return get_supported_language_variant(language.lower().replace("_", "-"))
    except LookupError:
        return ""


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


def language_tag(language: str) -> str:
    """Return a language as HTML writes it: zh-Hans, pt-BR."""
    first, *rest = language.split("-")
    return "-".join([first, *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def direction(language: str) -> Literal["ltr", "rtl"]:
    """Return "rtl" or "ltr", as HTML's `dir`."""
    return "rtl" if language.split("-")[0] in RIGHT_TO_LEFT else "ltr"
