import re

import django.contrib.admin
from django.urls import include, path, re_path, register_converter

import mailer.admin  # noqa: F401 — what /admin/ shows of sends
import subscribers.admin  # noqa: F401 — and of subscribers
from mailer.store import counting
from mailer.web import icons, pages, proxies, views, webhooks
from subscribers.web import urls as subscribers_urls  # also names the newsletters that stand under their label


class IssueSlug:
    """The rest of a link to an issue from its slug on, of which only the slug counts: as subscribers.web.urls.Token.

    A slug has letters, digits, `_`, `-` and `.`, and ends with neither of the last two.
    """

    regex = r"[\s\S]+"
    letters = re.compile(r"[\w.\-]*\w")

    def to_python(self, value: str) -> str:
        slug = self.letters.match(value)
        return slug[0] if slug else ""

    def to_url(self, value: str) -> str:
        return f"{value}/"


register_converter(IssueSlug, "issue_slug")

# Only requests cause the signals that these count, so only a process that answers some loads them.
counting.listen()
proxies.listen()

urlpatterns = [
    path("admin/", django.contrib.admin.site.urls),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("webhooks/<slug:provider>/", webhooks.receive, name="provider_events"),
    path("media/<slug:sha256>.<slug:extension>", views.media, name="media"),
    path(".well-known/security.txt", pages.security, name="security"),
    path("robots.txt", pages.robots, name="robots"),
    path("sitemap.xml", pages.sitemap, name="sitemap"),
    re_path("^colours/(?P<accent>[0-9a-f]{6})[.]css$", pages.colours, name="colours"),
    path("favicon.ico", icons.favicon, name="favicon"),
    path("apple-touch-icon.png", icons.touch_icon, name="touch_icon"),
    path("archive/", pages.archive, name="archive"),
    path("archive/<issue_slug:slug>", pages.archive_issue, name="archive_issue"),
    path("feed.xml", pages.feed, name="feed"),
    path("feed.json", pages.feed_json, name="feed_json"),
    path("<further_newsletter:label>/favicon.ico", icons.favicon, name="favicon_of"),
    path("<further_newsletter:label>/apple-touch-icon.png", icons.touch_icon, name="touch_icon_of"),
    path("<further_newsletter:label>/archive/", pages.archive, name="archive_of"),
    path("<further_newsletter:label>/archive/<issue_slug:slug>", pages.archive_issue, name="archive_issue_of"),
    path("<further_newsletter:label>/feed.xml", pages.feed, name="feed_of"),
    path("<further_newsletter:label>/feed.json", pages.feed_json, name="feed_json_of"),
    path("", include(subscribers_urls)),
]
handler400 = "mailer.web.refusals.refused"
handler404 = "mailer.web.moved.not_found"
handler500 = "subscribers.web.views.failed"
