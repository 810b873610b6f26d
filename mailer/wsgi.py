import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
application = get_wsgi_application()

from mailer.celery import publish_aside  # noqa: E402 — it needs the settings

publish_aside()
