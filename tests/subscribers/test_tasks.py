"""What the log says of a single email that could not be sent: enough to act on, and no address."""

import pytest
from django.core.mail.backends import locmem

from subscribers import changing, tasks
from subscribers.mail.failures import NotSent
from subscribers.models import Subscription
from tests import readers

pytestmark = pytest.mark.django_db

ABOUT_ADA = f"The address {readers.ADA.email} is not valid."
UNREACHED = NotSent("no connection to api.example.com:443", retry=True, cause="no connection to api.example.com:443")
NOT_ANSWERED = NotSent(ABOUT_ADA, retry=True, cause="the provider answered 500")


@pytest.mark.parametrize(
    ("error", "because"),
    [
        (UNREACHED, UNREACHED.detail),
        (NOT_ANSWERED, "the provider answered 500"),
        (NotSent(ABOUT_ADA, retry=True), None),
        (NotSent(ABOUT_ADA, retry=False), None),
    ],
)
def test_the_reason_is_logged_unless_it_is_about_an_address(caplog, monkeypatch, error, because):
    def raising(self, messages):
        raise error

    readers.pending()
    letter = changing.ask_for_link(readers.confirmed("jianbao").public_id, "jianbao", readers.LINK)
    monkeypatch.setattr(locmem.EmailBackend, "send_messages", raising)
    tasks.send_confirmation(Subscription.objects.get(newsletter="weekly").pk)
    tasks.send_letter(letter)
    failures = [one for one in caplog.records if "failed" in one.message]
    said = [(one.message, one.error, getattr(one, "because", None)) for one in failures]
    assert said == [
        ("confirmation failed", "NotSent", because),
        ("address-change email failed", "NotSent", because),
    ]
