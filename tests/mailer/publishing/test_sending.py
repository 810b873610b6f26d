# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""An issue is sent in three steps that every entry point can use; none of them asks or prints."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.utils import timezone

from mailer.archive import is_removed, removing
from mailer.models import REHEARSAL, Alias, Attempt, Batch, Installation, Send
from mailer.publishing import sending
from mailer.publishing.errors import (
    ConfirmRepeat,
    CorrectIssue,
    CorrectRequest,
    CorrectSettings,
    Refused,
    RunAgain,
    TryLater,
)
from mailer.publishing.preparing import prepare
from mailer.publishing.sending import Order, get_ready, propose, read_order, require_possible, start
from mailer.sending.existing import Action
from mailer.sending.steering import cancel, pause
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.archived import archived
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = (
    f"---\nnewsletter: weekly\ndate: {date.today()}\n---\n# The Weekly 2026-11-20\n\n"
    "First lines.\n\n## News\n\nA board for everybody.\n"
)
CHANGED = ISSUE.replace("First", "Other")


@pytest.fixture
def proof(api, settings, tmp_path):
    """Return a function that prepares an issue for one subscriber; a worker has just swept."""
    settings.PROVIDER_IS_LOCAL = True
    sweep()
    readers.confirmed()

    def made(source: str = ISSUE, name: str = "2026-11-20.md", newsletter: str | None = None):
        path = tmp_path / name
        path.write_text(source)
        return prepare(path, newsletter)

    return made


def sent(proof, order: Order | None = None) -> Send:
    return start(get_ready(propose(proof, order or Order())))


def test_a_new_issue_is_planned_for_everybody_who_may_be_mailed(proof):
    proposal = propose(proof(), Order())
    assert (proposal.action, proposal.audience, proposal.sent_as) == (Action.PLAN, 1, "")
    assert not Send.objects.exists()
    send = start(get_ready(proposal))
    assert (send.state, send.planned, send.slug) == ("sending", 1, "2026-11-20")


def test_a_time_makes_a_schedule_and_nobody_need_be_there_yet(proof):
    order = read_order(proof(), "+1h", "hold", detached=False)
    assert sent(proof(), order).state == "scheduled"


@pytest.mark.parametrize(
    ("at", "on_unknown", "words"),
    [
        ("2019-07-02T09:00", "hold", "2019-07-02T09:00"),
        ("soon", "hold", "soon"),
        (None, "resend", "event webhook"),
        (None, "ask", "hold or resend"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(proof, at, on_unknown, words):
    with pytest.raises(CorrectRequest, match=words):
        read_order(proof(), at, on_unknown, detached=False)


def test_an_issue_for_nobody_is_refused_before_and_when_it_starts(proof):
    proposal = propose(replace(proof(), newsletter=other(proof())), Order())
    with pytest.raises(Refused, match="no confirmed subscriber"):
        require_possible(proposal)
    with pytest.raises(Refused, match="no confirmed subscriber"):
        start(get_ready(proposal))
    assert not Send.objects.exists()


def test_who_may_not_be_emailed_yet_is_counted_where_nobody_may(proof):
    nobody = propose(replace(proof(), newsletter=other(proof())), Order())
    with pytest.raises(Refused) as refused:
        require_possible(nobody)
    assert "pending" not in str(refused.value)
    assert 'mailer subscribers add ADDRESS --active --source "…"' in str(refused.value)
    readers.pending("jianbao")
    with pytest.raises(Refused, match="1 is pending: they have not confirmed yet"):
        require_possible(nobody)


def other(proof):
    from django.conf import settings

    return settings.NEWSLETTERS["jianbao"]


def test_the_same_issue_again_makes_no_request(proof):
    deliver_all(sent(proof()))
    proposal = propose(proof(), Order())
    require_possible(proposal)
    again = start(get_ready(proposal))
    assert (proposal.action, again.state, Attempt.objects.count()) == (Action.SHOW, "finished", 1)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda send: None, "mailer cancel"),
        (deliver_all, "send a correction as a new issue"),
    ],
)
def test_a_changed_issue_is_refused_with_the_ways_on(proof, act, words):
    act(sent(proof()))
    proposal = propose(proof(CHANGED), Order())
    for refuse in (require_possible, get_ready):
        with pytest.raises(Refused, match=words):
            refuse(proposal)


def test_a_paused_send_goes_on(proof):
    pause(sent(proof()).pk)
    proposal = propose(proof(), Order())
    assert proposal.action is Action.RESUME
    send = start(get_ready(proposal))
    send.refresh_from_db()
    assert send.state == "sending"


def test_a_send_that_ended_while_the_editor_thought_is_not_resumed(proof):
    send = sent(proof())
    pause(send.pk)
    ready = get_ready(propose(proof(), Order()))
    cancel(send.pk)
    with pytest.raises(RunAgain):
        start(ready)


def test_a_plan_that_started_while_the_editor_thought_is_not_replaced(proof):
    first = sent(proof())
    pause(first.pk)
    ready = get_ready(propose(proof(CHANGED), Order()))
    Send.objects.update(state=Send.State.SENDING)
    with pytest.raises(RunAgain):
        start(ready)
    assert Send.objects.get().source_sha256 == first.source_sha256


def test_two_editors_with_the_same_issue_see_one_send(proof):
    first, second = get_ready(propose(proof(), Order())), get_ready(propose(proof(), Order()))
    assert start(first) == start(second)


def test_two_editors_with_different_issues_do_not_overwrite_each_other(proof):
    first, second = get_ready(propose(proof(), Order())), get_ready(propose(proof(CHANGED), Order()))
    start(first)
    with pytest.raises(RunAgain, match="another command"):
        start(second)


def test_another_time_is_another_plan_and_the_same_order_waits_on(proof):
    later = Order(due_at=timezone.now() + timedelta(hours=1))
    sent(proof(), later)
    assert propose(proof(), Order()).action is Action.ATTACH
    assert propose(proof(), later).action is Action.REPLACE


def test_a_renamed_issue_needs_a_persons_word(proof):
    deliver_all(sent(proof()))
    proposal = propose(proof(name="2026-11-27.md"), Order())
    assert proposal.sent_as == "2026-11-20"
    with pytest.raises(ConfirmRepeat):
        require_possible(proposal)
    with pytest.raises(ConfirmRepeat):
        get_ready(proposal)
    assert start(get_ready(proposal, repeat=True)).slug == "2026-11-27"


def test_a_detached_send_needs_a_worker(proof, settings):
    settings.EMBEDDED = True
    Installation.objects.update(swept_at=timezone.now() - timedelta(minutes=2))
    with pytest.raises(TryLater, match="nothing would be sent"):
        get_ready(propose(proof(), Order(detached=True)))
    assert get_ready(propose(proof(), Order()))


def test_a_broker_that_is_away_is_told_where_workers_find_the_send_all_the_same(proof, monkeypatch):
    monkeypatch.setattr(sending, "why_no_broker", lambda: "the broker is down")
    told: list[str] = []
    get_ready(propose(proof(), Order()), broker_away=told.append)
    assert told == ["the broker is down"]


def test_an_address_that_does_not_lead_here_is_refused(proof, settings):
    settings.PROVIDER_IS_LOCAL = False
    settings.BASE_URL = "http://127.0.0.1:9"
    with pytest.raises(TryLater, match="could not unsubscribe"):
        get_ready(propose(proof(), Order()))


def test_a_key_that_nobody_adopted_is_a_matter_of_settings(proof, settings):
    sent(proof())
    settings.SENDGRID_API_KEY = "SG.of-another.account"
    another = f"---\ndate: {date.today()}\n---\n# Another 2026-11-27\n\nText\n"
    proposal = propose(proof(another, "2026-11-27.md", "weekly"), Order())
    for refuse in (require_possible, get_ready):
        with pytest.raises(CorrectSettings, match="adopt-key"):
            refuse(proposal)


def test_an_issue_that_the_provider_would_refuse_is_not_planned(proof, monkeypatch):
    monkeypatch.setattr(sending, "why_refused", lambda plan: "The subject is required.")
    with pytest.raises(CorrectIssue, match="The subject is required"):
        get_ready(propose(proof(), Order()))


def test_a_send_of_another_provider_is_refused(proof, settings):
    sent(proof())
    Send.objects.update(provider="api.example.com")
    with pytest.raises(Refused, match="one provider"):
        get_ready(propose(proof(), Order()))


def test_credits_are_told_where_they_are_too_few(proof, api):
    api.credits = {"remain": 0, "total": 100, "used": 100}
    assert sending.credits_short(propose(proof(), Order())) == 0
    api.credits = {"remain": 50, "total": 100, "used": 50}
    assert sending.credits_short(propose(proof(), Order())) is None


def test_a_rehearsal_stands_in_nobodys_way_and_has_no_credits(proof, settings):
    settings.SENDGRID_API_KEY, settings.PROVIDER = "", REHEARSAL
    assert sent(proof()).is_rehearsal
    proposal = propose(proof(), Order())
    assert (proposal.action, proposal.is_rehearsal, sending.credits_short(proposal)) == (Action.PLAN, True, None)


def test_going_on_with_a_send_wakes_workers_unless_it_is_left_to_them(proof, monkeypatch):
    woken: list[int] = []
    send = sent(proof())
    monkeypatch.setattr(sending.hints, "enqueue", lambda pk, count: woken.append(pk))
    start(get_ready(propose(proof(), Order(detached=True))))
    assert woken == []
    start(get_ready(propose(proof(), Order())))
    assert (woken, Batch.objects.count()) == ([send.pk], 1)


def test_an_imported_issue_is_mailed_only_if_that_is_meant_and_then_has_its_page_back(proof):
    archived("2026-11-20")
    removing.remove("weekly", "2026-11-20")
    proposal = propose(proof(), Order())
    for refuse in (require_possible, get_ready):
        with pytest.raises(Refused, match="--mail-archived"):
            refuse(proposal)
    require_possible(proposal, archived=True)
    send = start(get_ready(proposal, archived=True))
    assert not is_removed("weekly", "2026-11-20"), "its email links there"
    assert get_ready(propose(proof(), Order())).proposal.existing == send, "going on with it asks nothing"


def test_an_issue_is_not_sent_whose_slug_leads_to_an_imported_one(proof):
    archived("2019-06-29")
    Alias.objects.create(newsletter="weekly", name="2026-11-20", slug="2019-06-29")
    proposal = propose(proof(), Order())
    for refuse in (require_possible, get_ready):
        with pytest.raises(Refused, match="2026-11-20 is a former address of the imported issue 2019-06-29"):
            refuse(proposal, archived=True)
    get_ready(propose(proof(name="2026-11-21.md"), Order()))
