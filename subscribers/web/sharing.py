"""What other sites show of a page that somebody links to there: Open Graph (ogp.me) and the cards of X."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from subscribers.offline import AWAY
from subscribers.web.pages import Shown

# Open Graph names a language with a country. These are the countries that sites expect where a language names none.
_LOCALES = {
    "ar": "ar_AR",
    "de": "de_DE",
    "en": "en_US",
    "es": "es_ES",
    "fr": "fr_FR",
    "it": "it_IT",
    "ja": "ja_JP",
    "ko": "ko_KR",
    "nl": "nl_NL",
    "pt": "pt_PT",
    "zh": "zh_CN",
    "zh-hans": "zh_CN",
    "zh-hant": "zh_TW",
}

CARD_SIZE = (1200, 630)


@dataclass(frozen=True)
class Picture:
    address: str
    alt: str = ""
    width: int = 0  # 0: unknown
    height: int = 0


@dataclass(frozen=True)
class Shared:
    """A page as it is shown where it is linked to."""

    title: str
    address: str
    description: str = ""
    language: str = ""  # as Django writes it
    kind: str = "website"  # or "article"
    published: datetime | None = None
    corrected: datetime | None = None
    picture: Picture | None = None

    @property
    def locale(self) -> str:
        return locale_of(self.language)

    @property
    def card(self) -> str:
        """Return how X shows the link."""
        return "summary_large_image" if self.picture else "summary"


def locale_of(language: str) -> str:
    """Return a language as Open Graph writes it: de_AT; "" where its country is not known."""
    first, *rest = language.lower().split("-")
    if language.lower() in _LOCALES:
        return _LOCALES[language.lower()]
    country = next((part for part in rest if len(part) == 2 and part.isalpha()), "")
    if country:
        return f"{first}_{country.upper()}"
    return _LOCALES.get(first, "")


def card(label: str, title: str, file: str) -> Picture | None:
    """Return the card of this title, by the name of its file; None without a name."""
    media_url = settings.NEWSLETTERS[label].media_url or f"{settings.BASE_URL}/media/"
    return Picture(f"{media_url}{file}", title, *CARD_SIZE) if file else None


def card_of_newsletter(label: str) -> Picture | None:
    """Return the card of a newsletter; None if none was drawn, or nobody can say."""
    try:
        file = import_string(settings.CARD)(label)
    except AWAY:
        return None  # the page may have been made without the database
    return card(label, settings.NEWSLETTERS[label].name, file)


def of_form(newsletter: Shown) -> Shared | None:
    """Return the sign-up form as other sites show it; None if the newsletter is no longer configured."""
    configured = settings.NEWSLETTERS.get(newsletter.label)
    if configured is None:
        return None
    return Shared(
        title=configured.name,
        address=f"{settings.BASE_URL}{newsletter.form_path}",
        description=configured.about,
        language=configured.language,
        picture=card_of_newsletter(newsletter.label),
    )
