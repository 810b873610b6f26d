# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""An issue of long ago, or from before the last one sent, goes out only if a person says so."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.conf import settings as configured

from mailer.models import REHEARSAL, Send
from mailer.publishing.dates import why_too_old
from mailer.publishing.errors import ConfirmOldDate
from mailer.publishing.preparing import prepare
from mailer.publishing.sending import Order, get_ready, propose, require_possible, start
from mailer.store import clock
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import deliver_all, planned

TODAY = date(2026, 11, 29)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "last", "why"),
    [
        (None, None, ""),
        (TODAY, None, ""),
        (TODAY - 14 * DAY, None, ""),
        (TODAY - 15 * DAY, None, "15 days ago"),
        (TODAY + 300 * DAY, TODAY, ""),
        (TODAY - 2 * DAY, TODAY - 2 * DAY, ""),
        (TODAY - 2 * DAY, TODAY - DAY, "before that-one (28 November 2026), which was sent last"),
    ],
)
def test_two_weeks_or_the_last_issue_make_a_date_old(day, last, why):
    assert why_too_old(day, TODAY, Send(slug="that-one", day=last) if last else None) == why


@pytest.fixture
def proof(api, settings, tmp_path, transactional_db):
    """Return `proof("2024-01-10")`: an issue of that day, ready to be sent to one subscriber."""
    settings.PROVIDER_IS_LOCAL = True
    sweep()
    readers.confirmed()

    def made(day: object, name: str = "next.md"):
        (tmp_path / name).write_text(f"---\nnewsletter: weekly\ndate: {day}\n---\n# The Weekly\n\nText of {name}.\n")
        return prepare(tmp_path / name, None)

    return made


@pytest.mark.django_db(transaction=True)
def test_an_issue_of_long_ago_is_refused_until_somebody_confirms(proof):
    proposal = propose(proof("2024-01-10"), Order())
    for refuse in (require_possible, get_ready):
        with pytest.raises(ConfirmOldDate, match=r"next.md is dated 10 January 2024, [\d,]+ days ago"):
            refuse(proposal)
    assert not Send.objects.exists()
    require_possible(proposal, old_date=True)
    assert start(get_ready(proposal, old_date=True)).day == date(2024, 1, 10)


@pytest.mark.django_db(transaction=True)
def test_an_issue_from_before_the_last_one_sent_is_refused_and_only_in_its_newsletter(proof, settings):
    send = planned()
    deliver_all(send)
    Send.objects.update(day=clock.now().date())
    yesterday = proof(clock.now().date() - DAY)
    assert "before 2026-11-20" in propose(yesterday, Order()).old_date
    Send.objects.update(newsletter="jianbao")
    assert propose(yesterday, Order()).old_date == ""


@pytest.mark.django_db(transaction=True)
def test_an_issue_of_today_may_go_out_whenever_it_is_scheduled(proof):
    fresh = proof(clock.now().date())
    assert propose(fresh, Order(due_at=clock.now() + 20 * DAY)).old_date == ""


@pytest.mark.django_db(transaction=True)
def test_a_rehearsal_and_a_send_that_exists_are_not_asked_about(proof, settings):
    start(get_ready(propose(proof("2024-01-10"), Order()), old_date=True))
    again = propose(proof("2024-01-10"), Order())
    assert (again.existing is None, again.old_date) == (False, "")
    settings.PROVIDER = REHEARSAL
    assert propose(proof("2024-01-10", "other.md"), Order()).old_date == ""


@pytest.mark.django_db(transaction=True)
def test_no_date_is_no_old_date(proof):
    undated = proof("9999-99-99")
    assert undated.rendered.day is None
    assert propose(replace(undated, newsletter=configured.NEWSLETTERS["weekly"]), Order()).old_date == ""
