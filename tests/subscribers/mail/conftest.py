import smtplib

import pytest
from django.core.mail.backends import locmem


@pytest.fixture
def no_mail(monkeypatch: pytest.MonkeyPatch):
    """Let the provider accept nothing."""

    def refuse(self, messages):
        raise smtplib.SMTPRecipientsRefused({message.to[0]: (550, b"no") for message in messages})

    monkeypatch.setattr(locmem.EmailBackend, "send_messages", refuse)
