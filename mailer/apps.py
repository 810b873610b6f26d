from django.apps import AppConfig
from django.conf import settings


class MailerConfig(AppConfig):
    name = "mailer"
    default = True

    def ready(self) -> None:
        from mailer.config import sentry

        if settings.SENTRY_DSN:
            sentry.start(settings.SENTRY_DSN)
