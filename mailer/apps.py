from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import SimpleAdminConfig


class MailerConfig(AppConfig):
    name = "mailer"
    default = True

    def ready(self) -> None:
        # Tasks of both apps find the app, and with it the broker, in every process.
        import mailer.celery  # noqa: F401
        from mailer import counting, proxies, sentry

        counting.listen()
        proxies.listen()
        if settings.SENTRY_DSN:
            sentry.start(settings.SENTRY_DSN)


class AdminConfig(SimpleAdminConfig):
    """Only the web process loads what `/admin/` shows; see mailer.urls."""

    default_site = "mailer.admin_site.Site"
