import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
_django = get_wsgi_application()

from mailer.bodies import WholeBodies  # noqa: E402 — they need the settings
from mailer.celery import publish_aside  # noqa: E402

application = WholeBodies(_django)
publish_aside()
