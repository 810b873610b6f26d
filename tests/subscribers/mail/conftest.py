import smtplib

import pytest
from django.core.mail.backends import locmem

from tests.readers import ADA


@pytest.fixture
def no_mail(monkeypatch: pytest.MonkeyPatch):
    """Let the provider accept nothing."""

    def refuse(self, messages):
        raise smtplib.SMTPRecipientsRefused({ADA.email: (550, b"no")})

    monkeypatch.setattr(locmem.EmailBackend, "send_messages", refuse)
