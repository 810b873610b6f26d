"""A welcome is renewed while something else happens to it: a pause holds, and nobody gets it twice."""

import pytest
from django.db import connection

from mailer.models import Welcome
from mailer.sending import lifecycle, steering
from tests import readers
from tests.mailer.sending.outgoing import in_thread
from tests.mailer.sending.test_send_lock import Halted, _halted_is_not_hung  # noqa: F401
from tests.mailer.sending.test_welcoming import FIRST, SECOND, content, freeze, plan

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer"),
]

RENEWAL = 'INSERT INTO "mailer_send"'


def for_complaints(version):
    lifecycle.pause_welcome(version, "too many complaints", language=version.language)


@pytest.mark.parametrize("pause", [steering.pause_welcome, for_complaints])
def test_a_pause_while_the_welcome_is_renewed_holds_for_the_new_version(api, pause):
    """Else an editor's pause would come to nothing because an issue was just sent."""
    (first,) = freeze(content(lists=1), issues=(FIRST,))
    readers.confirmed()
    renewing = Halted(lambda: plan(SECOND, FIRST), lambda sql: sql.startswith(RENEWAL))
    assert renewing.halts()
    pausing = in_thread(lambda: pause(first))
    pausing.join(0.3)
    renewing.goes_on()
    pausing.join(60)
    now = Welcome.objects.get().send
    assert (now.pk > first.pk, now.state) == (True, "paused")
    readers.confirmed(who=readers.BEN)
    assert plan(SECOND, FIRST) == 0
