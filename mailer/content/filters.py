"""Filters for the templates of pages and emails: how a text reads that somebody wrote."""

from collections.abc import Iterable
from typing import Protocol

from django.template import Library
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from mailer.content.markdown import RIGHT_TO_LEFT, Direction, direction_of
from subscribers.languages import direction

register = Library()


class Piece(Protocol):
    """A part of a text, as the search marks its hits."""

    text: str


@register.filter
def reads(text: str | Iterable[Piece], language: str) -> str:
    """Return `dir` for a title or a sentence of an issue in that language, "auto" if the language is unknown.

    `auto` alone would show an Arabic title from left to right if it begins with a Latin name.
    """
    if not language:
        return "auto"
    whole = text if isinstance(text, str) else "".join(piece.text for piece in text)
    return direction_of(whole, direction(language))


@register.filter
def turned(text: str | Iterable[Piece], language: str) -> SafeString:
    """Return the attribute `dir` if such a text reads otherwise than its language, on whose side it stands."""
    way = reads(text, language)
    return mark_safe("") if way == side(language) else format_html(' dir="{}"', way)


@register.filter
def side(language: str) -> str:
    """Return `dir` for what holds texts in that language."""
    return direction(language) if language else "auto"


@register.filter
def isolated(text: str, around: Direction) -> SafeString:
    """Keep a text together in a line that has one from right to left: signs between them would else change places."""
    if around == "ltr" and not RIGHT_TO_LEFT.search(text):
        return conditional_escape(text)
    return format_html('<span dir="{}">{}</span>', direction_of(text, around), text)
