"""Readers' doors. The first newsletter keeps the bare paths; each further one stands under its label."""

from django.conf import settings
from django.urls import path, register_converter
from django.urls.converters import SlugConverter

from subscribers import leaving, preferences, profiles, views


class FurtherNewsletter(SlugConverter):
    """The label of a newsletter other than the first; any other first part of a path belongs to somebody else."""

    def to_python(self, value: str) -> str:
        if value not in list(settings.NEWSLETTERS)[1:]:
            raise ValueError(value)
        return value


register_converter(FurtherNewsletter, "further_newsletter")

app_name = "subscribers"
urlpatterns = [
    path("", views.subscribe, name="home"),
    path("subscribe/", views.subscribe, name="subscribe"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    # Before the tokens, none of which is this short.
    path("unsubscribe/test/", leaving.unsubscribe_test),
    path("unsubscribe/test/<slug:label>/<int:number>/", leaving.unsubscribe_test, name="unsubscribe_test"),
    path("unsubscribe/undo/<str:token>/", leaving.undo, name="undo"),
    path("unsubscribe/<str:token>/", leaving.unsubscribe, name="unsubscribe"),
    # Without its slash too: a redirect would turn a mail provider's POST into a GET.
    path("unsubscribe/<str:token>", leaving.unsubscribe),
    path("preferences/data/<str:token>/", profiles.data, name="data"),
    path("preferences/address/<str:token>/", profiles.address, name="address"),
    path("preferences/<str:token>/", preferences.preferences, name="preferences"),
    path("<further_newsletter:label>/", views.subscribe, name="home_of"),
    path("<further_newsletter:label>/subscribe/", views.subscribe, name="subscribe_to"),
]
