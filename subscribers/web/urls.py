"""URLs of subscribers' pages. The first newsletter has the bare paths; each further one is under its label."""

from django.conf import settings
from django.urls import path, register_converter
from django.urls.converters import SlugConverter

from subscribers import tokens
from subscribers.web import my_data, preferences, unsubscribe, views


class FurtherNewsletter(SlugConverter):
    """The label of a newsletter other than the first; any other first part of a path belongs to another view."""

    def to_python(self, value: str) -> str:
        if value not in list(settings.NEWSLETTERS)[1:]:
            raise ValueError(value)
        return value


class Token:
    """The rest of a link from its token on, of which only the token counts; empty if it was cut short.

    Any ending is accepted, also none: a redirect to the right one would turn a mail provider's POST into a GET.
    """

    regex = r"[\s\S]*"

    def to_python(self, value: str) -> str:
        return tokens.begun_by(value)

    def to_url(self, value: str) -> str:
        return f"{value}/"


class CopyNumber:
    """The number of a copy of a test email, with any ending, as real tokens have."""

    regex = r"[0-9]{1,9}(?![0-9A-Za-z_-])[\s\S]*"

    def to_python(self, value: str) -> int:
        return int(tokens.begun_by(value))

    def to_url(self, value: int) -> str:
        return f"{value}/"


register_converter(FurtherNewsletter, "further_newsletter")
register_converter(Token, "token")
register_converter(CopyNumber, "copy_number")

app_name = "subscribers"
urlpatterns = [
    path("", views.subscribe, name="home"),
    path("subscribe/", views.subscribe, name="subscribe"),
    path("confirm/<token:token>", views.confirm, name="confirm"),
    # Before the tokens, which match everything else: none of them is as short as `test` or `undo`.
    path("unsubscribe/test/", unsubscribe.unsubscribe_test),
    path("unsubscribe/test/<slug:label>/<copy_number:number>", unsubscribe.unsubscribe_test, name="unsubscribe_test"),
    path("unsubscribe/undo/<token:token>", unsubscribe.undo, name="undo"),
    path("unsubscribe/<token:token>", unsubscribe.unsubscribe, name="unsubscribe"),
    path("preferences/data/<token:token>", my_data.data, name="data"),
    path("preferences/address/<token:token>", my_data.address, name="address"),
    path("preferences/<token:token>", preferences.preferences, name="preferences"),
    path("<further_newsletter:label>/", views.subscribe, name="home_of"),
    path("<further_newsletter:label>/subscribe/", views.subscribe, name="subscribe_to"),
]
