import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
_django = get_wsgi_application()

from mailer.broker import enqueue_aside  # noqa: E402
from mailer.web.bodies import WholeBodies  # noqa: E402 — they need the settings

application = WholeBodies(_django)
enqueue_aside()
