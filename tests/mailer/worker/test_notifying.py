# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
from datetime import timedelta

import pytest
from django.utils import timezone

from mailer.models import Attempt, Send
from mailer.providers.answers import OutcomeUnknown, Refused
from mailer.sending.evidence import record
from mailer.sending.settling import settle
from mailer.sending.steering import pause, resume
from mailer.worker import notifying
from tests.mailer.sending.conftest import _own_home, api, four, hinted  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import claimed, close_breaker, deliver_all

pytestmark = pytest.mark.django_db
EDITOR = "editor@news.example.com"


@pytest.fixture
def unwatched(four, settings) -> Send:
    settings.EMAIL_BACKEND = "mailer.providers.backend.ProviderBackend"
    Send.objects.update(notify=EDITOR)
    return four


def notices_now(api) -> list[str]:
    """Return the subjects of the emails that the editor has got so far."""
    for send in notifying.unnotified():
        notifying.notify_editor(send)
        notifying.notify_editor(send)  # another worker, a moment later
    return [one["subject"] for one in api.accepted if one["recipients"][0]["email"] == EDITOR]


def test_the_end_of_an_unwatched_send_is_mailed_once(unwatched, api):
    assert notices_now(api) == []
    deliver_all(unwatched)
    assert notices_now(api) == ["[mailer] 2026-11-20 is sent"]
    assert notices_now(api) == ["[mailer] 2026-11-20 is sent"]
    assert "planned 4 = accepted 4" in api.accepted[-1]["content"]["text/plain"]


def test_of_a_watched_send_nobody_is_told(four, api):
    deliver_all(four)
    assert notices_now(api) == []


def test_each_pause_with_a_reason_is_news_but_not_the_editors_own(unwatched, api):
    settle(claimed(unwatched), Refused("401 Unauthorized: key", 401))
    assert notices_now(api) == ["[mailer] 2026-11-20 is paused"]
    resume(unwatched.pk)
    pause(unwatched.pk)
    assert len(notices_now(api)) == 1
    resume(unwatched.pk)
    settle(claimed(unwatched), Refused("401 Unauthorized: key", 401))
    assert len(notices_now(api)) == 2


def test_a_doubt_is_told_after_an_hour_and_its_end_when_it_ends(unwatched, api):
    taken = claimed(unwatched)
    settle(taken, OutcomeUnknown("no answer", None))
    close_breaker()
    assert notices_now(api) == []
    Attempt.objects.update(ended_at=timezone.now() - timedelta(hours=2))
    assert notices_now(api) == ["[mailer] 2026-11-20: the outcome of some requests is unknown"]
    record([taken.attempt])
    assert notices_now(api)[1:] == ["[mailer] 2026-11-20 is sent"]


def test_what_the_provider_did_not_take_is_told_later(unwatched, api):
    deliver_all(unwatched)
    api.fail("too many", seconds=1)
    notifying.notify_editor(unwatched.pk)
    assert notifying.unnotified() == [unwatched.pk]
    notifying.notify_editor(unwatched.pk)
    assert notifying.unnotified() == []
