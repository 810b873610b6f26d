# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""Go back to a version without welcomes, and forward again."""

import pytest

from mailer.archive import entries
from mailer.models import Send, Welcome
from subscribers.models import WelcomeDue
from tests import readers
from tests.mailer.sending.conftest import _nothing_kept_from_another_database, _own_home, api  # noqa: F401
from tests.mailer.sending.outgoing import deliver_all, planned
from tests.mailer.sending.test_welcoming import freeze, plan
from tests.older import database_of

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = ("mailer", "0021_sends_by_first_request"), ("subscribers", "0019_renamed_newsletters")


def test_versions_of_a_welcome_are_still_none_of_an_issue_after_going_back_and_forward(api):
    readers.crowd(1)
    deliver_all(planned())
    (version,) = freeze()
    readers.confirmed()
    plan()
    deliver_all(version)
    with database_of(*BEFORE):
        pass
    assert [(send.slug, send.kind) for send in Send.objects.order_by("pk")] == [
        ("2026-11-20", "issue"),
        ("welcome:en:1", "welcome"),
    ]
    assert [entry.slug for entry in entries("weekly")] == ["2026-11-20"]
    assert not Welcome.objects.exists()
    assert not WelcomeDue.objects.exists()
    (anew,) = freeze()
    assert anew.slug == "welcome:en:2"
