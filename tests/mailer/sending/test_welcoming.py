"""A version of the welcome is planned for whoever is due, in the transaction that makes them due no longer."""

from dataclasses import replace

import pytest
from django.conf import settings as configured
from django.db import connection

from mailer.content.filling import Listed, slug_at, title_at
from mailer.models import Batch, Delivery, ProviderAccount, Send, Welcome
from mailer.sending import restore_guard, welcoming
from mailer.sending.delivering import deliver_next
from mailer.sending.lifecycle import finish_if_done, pause_for
from mailer.sending.outcomes import leave_unknown
from mailer.sending.steering import cancel, resume
from mailer.sending.welcoming import Content
from mailer.store import accounts
from subscribers import optin
from subscribers.models import Subscriber, WelcomeDue
from subscribers.optin import Origin
from tests import readers
from tests.mailer.sending.outgoing import a_plan, attempts, balanced, claimed, outcomes, resend_all, states
from tests.stand_in import StandIn

pytestmark = pytest.mark.django_db

MARK = "zw0123456789abcdef"
FIRST, SECOND = Listed("2026-11-20", "Boards & chips"), Listed("2026-11-27", "Compilers")


def content(language: str = "en", source: str = "Welcome!", lists: int = 0, newsletter: str = "weekly") -> Content:
    """Return a welcome in this language that lists so many issues."""
    plan = a_plan(newsletter, slug="welcome", source=source)
    plan = replace(plan, issue=replace(plan.issue, language=language))
    patterns = []
    for count in range(lists + 1):
        items = " ".join(f"{title_at(MARK, n)}={slug_at(MARK, n)}" for n in range(count))
        parts = {"html": plan.issue.html, "article": plan.issue.article, "text": plan.issue.text, "preheader": ""}
        patterns.append({name: f"{part}{items}" for name, part in parts.items()})
    return Content(plan, patterns, MARK, f"welcome.{language}.md", f"{source:0<64}"[:64])


def freeze(*contents: Content, issues: tuple[Listed, ...] = ()) -> list[Send]:
    accounts.require_account()
    weekly = configured.NEWSLETTERS["weekly"]
    return [version.send for version in welcoming.freeze(weekly, contents or (content(),), issues)]


def plan(*issues: Listed) -> int:
    """Plan once what is due, for each welcome that is on here."""
    weekly = configured.NEWSLETTERS["weekly"]
    waiting = welcoming.waiting_languages(weekly, welcoming.on_here())
    return sum(welcoming.plan_due(welcome, spoken, issues) for welcome, spoken in waiting.items())


def deliver() -> None:
    for send in Send.objects.filter(kind="welcome", state="sending"):
        while deliver_next(send.pk):
            pass
        finish_if_done(send.pk)


def state(send: Send) -> str:
    send.refresh_from_db()
    return send.state


def mailed(api: StandIn) -> list[str]:
    return [one["email"] for one in api.recipients]


def speaker(who: readers.Named, language: str) -> Subscriber:
    reader = readers.confirmed(who=who)
    Subscriber.objects.filter(pk=reader.pk).update(language=language)
    return reader


# ---------------------------------------------------------------- who gets it


def test_who_confirmed_gets_it_once_and_is_due_no_longer(api):
    (send,) = freeze()
    ada = readers.confirmed()
    assert plan() == 1
    assert (state(send), send.planned, WelcomeDue.objects.count()) == ("sending", 1, 0)
    deliver()
    assert plan() == 0
    deliver()
    assert (mailed(api), state(send), states(send)) == ([ada.email], "finished", ["accepted"])
    balanced(send)


def test_the_next_one_gets_the_same_version_in_a_batch_of_their_own(api):
    (send,) = freeze()
    for who in (readers.ADA, readers.BEN):
        readers.confirmed(who=who)
        plan()
        deliver()
    assert (states(send), mailed(api)) == (["accepted", "accepted"], ["ada@readers.example", "ben@readers.example"])
    assert state(send) == "finished"
    balanced(send)


def test_who_confirmed_before_there_was_a_welcome_gets_none(api):
    readers.confirmed()
    freeze()
    assert plan() == 0
    assert not WelcomeDue.objects.exists()


def test_a_changed_welcome_goes_to_those_who_wait(api):
    freeze()
    ada = readers.confirmed()
    (second,) = freeze(content(source="Hello!"))
    plan()
    assert list(outcomes(second)) == [ada.email]


@pytest.mark.parametrize("leaving", ["left", "suppressed", "erased"])
def test_who_is_gone_before_the_request_gets_none(api, leaving):
    from subscribers import erasing

    (send,) = freeze()
    ada, _ben = readers.confirmed(), readers.confirmed(who=readers.BEN)
    plan()
    if leaving == "left":
        optin.unsubscribe(ada.public_id, "weekly", Origin(how="one-click"))
    elif leaving == "suppressed":
        optin.suppress(ada.suppression_hash, "complaint", Origin(how="event"))
    else:
        erasing.forget(ada.email_key, Origin(how="page"))
    deliver()
    assert mailed(api) == ["ben@readers.example"]
    balanced(send)


def test_who_left_before_the_plan_is_counted_as_skipped(api):
    (send,) = freeze()
    ada = readers.confirmed()
    optin.unsubscribe(ada.public_id, "weekly", Origin(how="one-click"))
    plan()
    deliver()
    assert (mailed(api), outcomes(send)) == ([], {ada.email: ("skipped", "unsubscribed")})


def test_at_most_as_many_as_fit_are_in_a_request(api, settings):
    settings.MAILER_BATCH_SIZE = 2
    (send,) = freeze()
    for who in (readers.ADA, readers.BEN, readers.CLEO):
        readers.confirmed(who=who)
    assert (plan(), plan()) == (2, 0), "the next batch is planned when this one is claimed"
    deliver()
    assert plan() == 1
    deliver()
    assert sorted(mailed(api)) == ["ada@readers.example", "ben@readers.example", "cleo@readers.example"]
    balanced(send)


def test_who_has_this_very_version_is_not_planned_again(api):
    (send,) = freeze()
    ada = readers.confirmed()
    plan()
    deliver()
    WelcomeDue.objects.create(subscriber=ada, newsletter="weekly", at=send.created_at)
    assert (plan(), WelcomeDue.objects.count()) == (0, 0)
    assert Delivery.objects.count() == 1


def test_a_plan_that_is_rolled_back_leaves_them_due(api, monkeypatch):
    freeze()
    readers.confirmed()
    monkeypatch.setattr(Delivery.objects, "bulk_create", lambda rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plan()
    assert (WelcomeDue.objects.count(), Batch.objects.count()) == (1, 0)


# ---------------------------------------------------------------- unknown, paused, ended


def test_unknown_holds_and_only_a_person_sends_it_again(api):
    (send,) = freeze()
    readers.confirmed()
    plan()
    leave_unknown(claimed(send).attempt, "no answer came")
    finish_if_done(send.pk)
    assert (plan(), state(send), states(send)) == (0, "finished", ["unknown"])
    resend_all(send)
    deliver()
    assert (attempts(send), mailed(api), state(send)) == (
        ["unknown", "accepted"],
        ["ada@readers.example"],
        "finished",
    )


def test_while_it_is_paused_they_wait(api):
    (send,) = freeze()
    readers.confirmed()
    plan()
    pause_for(send.pk, "the provider refuses it")
    readers.confirmed(who=readers.BEN)
    assert (plan(), WelcomeDue.objects.count()) == (0, 1)
    resume(send.pk)
    deliver()
    plan()
    deliver()
    assert sorted(mailed(api)) == ["ada@readers.example", "ben@readers.example"]


def test_a_cancelled_version_is_never_planned_into_and_is_replaced_by_the_next(api):
    (send,) = freeze()
    readers.confirmed()
    plan()
    cancel(send.pk)
    readers.confirmed(who=readers.BEN)
    assert plan() == 0
    (second,) = freeze()
    plan()
    deliver()
    assert (second.pk != send.pk, mailed(api)) == (True, ["ben@readers.example"])


def test_ended_it_goes_to_nobody_and_who_waited_gets_none_later(api):
    freeze()
    readers.confirmed()
    assert welcoming.turn_off("weekly", rehearsal=False) == 1
    assert plan() == 0
    freeze()
    assert (plan(), mailed(api)) == (0, [])


def test_after_a_restored_backup_nobody_who_waits_in_it_is_welcomed(api, settings):
    from mailer.sending import high_water_mark

    freeze()
    readers.confirmed()
    high_water_mark.remember(7)  # a request that the backup lacks: perhaps to Ada
    assert restore_guard.adopt().unwelcomed == 1
    assert plan() == 0


# ---------------------------------------------------------------- versions


def test_the_same_content_makes_no_new_version(api):
    (first,) = freeze()
    assert freeze() == [first]
    (second,) = freeze(content(source="Hello!"))
    assert [first.slug, second.slug] == ["welcome:en:1", "welcome:en:2"]
    assert Welcome.objects.get().send == second


def test_a_version_is_renewed_when_the_issues_that_it_lists_are_others(api):
    (first,) = freeze(content(lists=1), issues=(FIRST,))
    readers.confirmed()
    plan(FIRST)
    readers.confirmed(who=readers.BEN)
    deliver()
    plan(SECOND, FIRST)
    deliver()
    second = Welcome.objects.get().send
    assert "Boards &amp; chips=2026-11-20" in first.html
    assert "Boards & chips=2026-11-20" in first.text
    assert "Compilers=2026-11-27" in second.html
    assert (first.planned, second.slug) == (0, "welcome:en:2")
    assert (list(outcomes(first)), list(outcomes(second))) == (["ada@readers.example"], ["ben@readers.example"])
    assert [str(request).count("Compilers=") for request in api.accepted] == [0, 2]


def test_without_a_list_an_issue_renews_nothing(api):
    (first,) = freeze()
    readers.confirmed()
    plan(FIRST)
    assert list(Send.objects.all()) == [first]


def test_what_is_unknown_in_a_former_version_stays_its_own(api):
    (first,) = freeze(content(lists=1))
    readers.confirmed()
    plan()
    leave_unknown(claimed(first).attempt, "no answer came")
    readers.confirmed(who=readers.BEN)
    plan(FIRST)
    deliver()
    assert (states(first), mailed(api)) == (["unknown"], ["ben@readers.example"])


# ---------------------------------------------------------------- languages


def test_each_gets_the_version_in_their_language_or_in_the_newsletters(api):
    en, de, zh = freeze(content(), content("de"), content("zh-hans"))
    speaker(readers.ADA, "")
    speaker(readers.BEN, "de-AT")
    speaker(readers.CLEO, "zh-CN")
    speaker(readers.DORA, "fr")
    plan()
    assert sorted(outcomes(en)) == ["ada@readers.example", "dora@readers.example"]
    assert (list(outcomes(de)), list(outcomes(zh))) == (["ben@readers.example"], ["cleo@readers.example"])


def test_a_paused_language_keeps_no_other_waiting(api, settings):
    settings.MAILER_BATCH_SIZE = 1
    en, de = freeze(content(), content("de"))
    Send.objects.filter(pk=de.pk).update(state="paused", reason="refused")
    speaker(readers.BEN, "de")
    speaker(readers.ADA, "")
    plan()
    assert (list(outcomes(en)), list(outcomes(de))) == (["ada@readers.example"], [])


def test_a_language_whose_file_is_gone_ends(api):
    freeze(content(), content("de"))
    (en,) = freeze(content())
    speaker(readers.BEN, "de")
    plan()
    assert list(outcomes(en)) == ["ben@readers.example"]


# ---------------------------------------------------------------- whose it is


def test_a_rehearsal_beside_a_real_welcome_takes_nobody(api, settings):
    freeze()
    real = (settings.PROVIDER, settings.SENDGRID_API_KEY)
    settings.PROVIDER, settings.SENDGRID_API_KEY = "rehearsal", ""
    freeze()
    readers.confirmed()
    assert (plan(), WelcomeDue.objects.count()) == (0, 1)
    settings.PROVIDER, settings.SENDGRID_API_KEY = real
    assert plan() == 1


def test_another_accounts_welcome_is_not_sent_from_here(api):
    (send,) = freeze()
    other = ProviderAccount.objects.create(name="other", host="127.0.0.1")
    Send.objects.filter(pk=send.pk).update(account=other)
    readers.confirmed()
    assert plan() == 0


@pytest.mark.skipif("connection.vendor != 'postgresql'")
@pytest.mark.django_db(transaction=True)
def test_who_is_being_erased_is_left_out_and_waits_for_nobody(api):
    """Else the plan, which locks what is due, and the erasure, which locks a person, would wait for each other."""
    import threading

    from django.db import transaction

    freeze()
    ada, _ben = readers.confirmed(), readers.confirmed(who=readers.BEN)
    planned = []

    def in_parallel() -> None:
        planned.append(plan())
        connection.close()

    with transaction.atomic():
        list(Subscriber.objects.select_for_update().filter(pk=ada.pk))
        beside = threading.Thread(target=in_parallel)
        beside.start()
        beside.join(30)
    assert planned == [1]


def test_versions_are_numbered_on_from_the_highest(api):
    (first,) = freeze()
    (second,) = freeze(content(source="Hello!"))
    Send.objects.filter(pk=first.pk).update(slug="welcome:en:9")
    (third,) = freeze(content(source="Good day!"))
    assert (second.slug, third.slug) == ("welcome:en:2", "welcome:en:10")


def test_a_sweep_reads_neither_texts_nor_who_waits_for_a_paused_welcome(api, django_assert_num_queries):
    (send,) = freeze()
    readers.confirmed()
    Send.objects.filter(pk=send.pk).update(state="paused")
    (on,) = welcoming.on_here()
    assert {"patterns", "listed"} <= on.get_deferred_fields()
    with django_assert_num_queries(0):
        assert welcoming.waiting_languages(configured.NEWSLETTERS["weekly"], [on]) == {}
