from django.apps import AppConfig


class MailerConfig(AppConfig):
    name = "mailer"

    def ready(self) -> None:
        # Tasks of both apps find the app, and with it the broker, in every process.
        import mailer.celery  # noqa: F401
