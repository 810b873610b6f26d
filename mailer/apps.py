from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import SimpleAdminConfig


class MailerConfig(AppConfig):
    name = "mailer"
    default = True

    def ready(self) -> None:
        from mailer.config import sentry

        if settings.SENTRY_DSN:
            sentry.start(settings.SENTRY_DSN)


class AdminConfig(SimpleAdminConfig):
    """Loads what `/admin/` shows in the web process alone; see mailer.web.urls."""

    default_site = "mailer.web.admin_site.Site"
