"""What becomes of an answer of the provider to a single email."""

import pytest

from mailer.providers.answers import ConnectFailed, OutcomeUnknown, Refused, UnlocatedRefusal
from mailer.providers.backend import _not_sent

ABOUT_ADA = "the address ada@readers.example is not valid"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (ConnectFailed("no connection to api.example.com:443"), "no connection to api.example.com:443"),
        (UnlocatedRefusal(ABOUT_ADA, 400), "the provider answered 400"),
        (Refused(ABOUT_ADA, 403), "the provider answered 403"),
        (OutcomeUnknown(ABOUT_ADA, 500, cause="answered 500"), "the provider answered 500"),
        (OutcomeUnknown(ABOUT_ADA, None, cause="no answer"), "no answer"),
    ],
)
def test_what_is_for_logs_never_quotes_the_provider(answer, cause):
    assert _not_sent(answer).cause == cause
