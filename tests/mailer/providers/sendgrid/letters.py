"""An issue and its subscribers, as requests for the tests to post."""

import json
from typing import Any
from uuid import UUID, uuid4

from mailer.providers.messages import Recipients
from mailer.providers.sendgrid.payload import Request, write_request
from tests.mailer.providers.letters import issue, readers

ATTEMPT = UUID("00000000-0000-4000-8000-000000000001")


def request(count=3, attempt=None, people=None, **changes) -> Request:
    return write_request(issue(**changes), Recipients.of(people or readers(count)), attempt or uuid4())


def parsed(*given: Any, **named: Any) -> Any:
    """Return what SendGrid reads in the request that `request` returns."""
    return json.loads(request(*given, **named).body)
