"""Who agreed to what, and that nobody else can change it."""

from datetime import timedelta

import pytest

from subscribers import changing, erasing, limits, optin
from subscribers.addresses import parse
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.optin import Answer, Confirmation, Origin, Refused
from tests import readers
from tests.readers import ADA, FORM, LINK

pytestmark = pytest.mark.django_db
ADDRESS = parse(ADA.email)
COMMAND = Origin(how="command", source="asked at the fair")


def ask(email: str = ADA.email, newsletter: str = "weekly", ip: str = FORM.ip) -> Answer:
    origin = Origin(how="form", ip=ip)
    return optin.subscribe(parse(email), newsletter, origin=origin, typed=readers.typed()).answer


def suppress(reader: Subscriber, reason: str) -> None:
    optin.suppress(reader.suppression_hash, reason, Origin(how="event"))


def deliverable(newsletter: str = "weekly") -> list[str]:
    found = Subscription.objects.deliverable().filter(newsletter=newsletter).order_by("pk")
    return list(found.values_list("subscriber__email", flat=True))


# ---------------------------------------------------------------- joining


def test_a_new_reader_is_pending_and_a_confirmation_is_due(clock):
    request = optin.subscribe(ADDRESS, "weekly", name="Ada", language="en", origin=FORM)
    subscription = Subscription.objects.get(pk=request.subscription_id)
    assert request.answer is Answer.MAIL_DUE
    assert (subscription.state, subscription.confirmation_due) == ("pending", clock.now)
    assert deliverable() == []


def test_the_record_holds_what_the_reader_saw_and_where(clock):
    readers.pending()
    record = Consent.objects.get()
    assert (record.step, record.how, record.at) == ("requested", "form", clock.now)
    assert (record.wording, record.wording_version, record.language) == (FORM.wording, "1", "en")
    assert (record.source, record.ip) == (FORM.source, "192.0.2.0/24")


def test_only_one_reader_of_each_state_may_be_mailed(db):
    readers.everybody()
    assert deliverable() == [ADA.email]


def test_confirming_makes_a_reader_once():
    reader = readers.pending()
    assert optin.confirm(reader.public_id, "weekly", LINK) is Confirmation.CONFIRMED
    assert optin.confirm(reader.public_id, "weekly", LINK) is Confirmation.BEFORE
    assert readers.state_of(reader) == "active"
    assert Subscription.objects.get().confirmation_due is None
    assert readers.history_of(reader) == [("requested", "form"), ("confirmed", "link")]


def test_confirming_one_newsletter_says_nothing_about_another():
    reader = readers.pending()
    assert optin.confirm(reader.public_id, "jianbao", LINK) is Confirmation.GONE


def test_a_reader_who_asks_again_gets_no_second_row_and_keeps_their_name(clock):
    reader = readers.pending(who=ADA)
    clock.forward(hours=1)
    optin.subscribe(parse("ADA@readers.example"), "weekly", name="Mallory", origin=FORM, typed=readers.typed())
    reader.refresh_from_db()
    assert (reader.email, reader.name) == (ADA.email, "Ada")
    assert Subscription.objects.count() == 1


def test_asking_changes_nothing_for_an_active_reader():
    reader = readers.confirmed()
    assert ask() is Answer.ACTIVE
    assert readers.state_of(reader) == "active"


# ---------------------------------------------------------------- limits


def test_one_address_is_asked_once_in_ten_minutes_and_three_times_a_day(clock):
    answers = []
    for _ in range(12):
        answers.append(ask())
        clock.forward(minutes=5)
    assert [answer is Answer.MAIL_DUE for answer in answers] == [True, False] * 3 + [False] * 6
    clock.forward(hours=23)
    assert ask() is Answer.MAIL_DUE


def test_the_limit_counts_all_newsletters_of_one_address_together(clock):
    assert ask(newsletter="weekly") is Answer.MAIL_DUE
    assert ask(newsletter="jianbao") is Answer.ASKED_ENOUGH
    clock.forward(minutes=10)
    assert ask(newsletter="jianbao") is Answer.MAIL_DUE


def test_a_confirmed_reader_who_left_can_ask_again_within_the_same_limits(clock):
    assert ask() is Answer.MAIL_DUE
    reader = Subscriber.objects.get()
    optin.confirm(reader.public_id, "weekly", LINK)
    optin.unsubscribe(reader.public_id, "weekly", LINK)
    assert ask() is Answer.ASKED_ENOUGH
    assert readers.state_of(reader) == "unsubscribed"
    clock.forward(minutes=10)
    assert ask() is Answer.MAIL_DUE


def test_what_strangers_type_uses_up_nothing_of_what_a_subscriber_asks_for_by_a_signed_link(clock):
    reader = readers.crowd(1)[0]
    for _ in range(20):
        ask(reader.email, "jianbao")
        clock.forward(minutes=10)
    assert ask(reader.email, "jianbao") is Answer.ASKED_ENOUGH
    assert optin.subscribe(parse(reader.email), "jianbao", origin=LINK).answer is Answer.MAIL_DUE
    assert changing.ask_for_link(reader.public_id, "weekly", LINK) is not None


def test_a_subscriber_gets_three_mails_a_day_by_signed_links_to_confirm_and_to_their_data_together(clock):
    reader = readers.crowd(1)[0]
    mailed = []
    for _ in range(3):
        clock.forward(minutes=10)
        mailed.append(changing.ask_for_link(reader.public_id, "weekly", LINK) is not None)
        clock.forward(minutes=10)
        mailed.append(optin.subscribe(parse(reader.email), "jianbao", origin=LINK).answer is Answer.MAIL_DUE)
    assert mailed == [True] * 3 + [False] * 3
    clock.forward(days=1)
    assert optin.subscribe(parse(reader.email), "jianbao", origin=LINK).answer is Answer.MAIL_DUE
    assert changing.ask_for_link(reader.public_id, "weekly", LINK) is not None, "who has just joined need not wait"


def test_letters_take_no_try_from_a_confirmation(clock):
    reader = readers.pending(who=ADA)
    Subscription.objects.update(confirmation_tries=3)
    clock.forward(days=1)
    changing.ask_for_link(reader.public_id, "weekly", LINK)
    clock.forward(minutes=10)
    assert ask() is Answer.MAIL_DUE
    assert Subscription.objects.get().confirmation_tries == 0


def test_no_limit_keeps_anybody_from_leaving(monkeypatch):
    reader = readers.confirmed()
    monkeypatch.setattr(limits, "FREE_A_NETWORK_HOUR", 0)
    assert optin.unsubscribe(reader.public_id, "weekly", Origin(how="one-click", ip=FORM.ip))


# ---------------------------------------------------------------- leaving


def test_leaving_is_at_once_and_a_second_time_changes_nothing():
    reader = readers.confirmed()
    assert optin.unsubscribe(reader.public_id, "weekly", Origin(how="one-click"))
    assert not optin.unsubscribe(reader.public_id, "weekly", Origin(how="page"))
    assert readers.history_of(reader)[-1] == ("unsubscribed", "one-click")
    assert deliverable() == []


def test_leaving_before_confirming_stops_the_confirmation_mail():
    reader = readers.pending()
    optin.unsubscribe(reader.public_id, "weekly", Origin(how="page"))
    assert Subscription.objects.get().confirmation_due is None


def test_an_old_confirmation_link_does_not_resubscribe_anybody():
    reader = readers.unsubscribed()
    assert optin.confirm(reader.public_id, "weekly", LINK) is Confirmation.LEFT
    assert readers.state_of(reader) == "unsubscribed"


def test_a_subscriber_who_left_comes_back_by_a_fresh_double_opt_in(clock):
    reader = readers.unsubscribed(who=ADA)
    clock.forward(hours=1)
    assert ask() is Answer.MAIL_DUE
    assert readers.state_of(reader) == "pending"
    optin.confirm(reader.public_id, "weekly", LINK)
    assert readers.state_of(reader) == "active"


# ---------------------------------------------------------------- suppression


@pytest.mark.parametrize(
    ("reason", "days", "mailed"),
    [
        ("erased", 0, True),
        ("bounce", 6.9, False),
        ("bounce", 7, True),
        ("complaint", 400, False),
        ("manual", 400, False),
    ],
)
def test_the_reason_decides_whether_a_suppressed_address_may_be_asked(clock, reason: str, days: float, mailed: bool):
    reader = readers.confirmed()
    suppress(reader, reason)
    clock.forward(days=days, hours=0 if days else 1)
    assert ask() is (Answer.MAIL_DUE if mailed else Answer.SUPPRESSED)
    optin.confirm(reader.public_id, "weekly", LINK)
    assert readers.suppression_of(reader) == (None if mailed else reason)
    assert deliverable() == ([ADA.email] if mailed else [])


def test_confirming_with_an_old_link_does_not_lift_a_complaint():
    reader = readers.pending(who=ADA)
    suppress(reader, "complaint")
    optin.confirm(reader.public_id, "weekly", LINK)
    assert readers.suppression_of(reader) == "complaint"
    assert deliverable() == []


def test_a_weaker_reason_never_replaces_a_stronger_one():
    reader = readers.confirmed()
    for reason, stands in [
        ("bounce", "bounce"),
        ("manual", "manual"),
        ("complaint", "complaint"),
        ("bounce", "complaint"),
    ]:
        suppress(reader, reason)
        assert readers.suppression_of(reader) == stands


def test_an_operator_lifts_any_suppression():
    reader = readers.confirmed()
    suppress(reader, "complaint")
    assert optin.lift(reader.suppression_hash, COMMAND) == "complaint"
    assert optin.lift(reader.suppression_hash, COMMAND) is None
    assert deliverable() == [ADA.email]


def test_an_address_nobody_knows_can_be_suppressed():
    optin.suppress("0" * 64, "manual", COMMAND)
    assert Suppression.objects.get().reason == "manual"


def test_many_are_suppressed_at_once_each_by_their_own_reason(clock):
    ada, dora = readers.confirmed(), readers.bounced()
    unknown, older = "0" * 64, clock.now - timedelta(days=400)
    reasons = {ada.suppression_hash: "complaint", dora.suppression_hash: "erased", unknown: "bounce"}
    assert optin.suppress_all(reasons, COMMAND, since={unknown: older}) == 2
    assert (readers.suppression_of(ada), readers.suppression_of(dora)) == ("complaint", "bounce")
    assert Suppression.objects.get(hash=unknown).at == older
    assert Consent.objects.filter(step="changed", source__startswith="suppressed: complaint").count() == 1


# ---------------------------------------------------------------- erasing


def test_of_an_erased_reader_only_the_keyed_hash_is_left():
    reader = readers.confirmed()
    assert erasing.forget(ADDRESS.key, COMMAND)
    assert (Subscriber.objects.count(), Subscription.objects.count(), Consent.objects.count()) == (0, 0, 0)
    left = Suppression.objects.get()
    assert (left.hash, left.reason, left.note) == (reader.suppression_hash, "erased", "")
    assert not erasing.forget(parse("nobody@readers.example").key, COMMAND)


def test_erasing_again_leaves_the_step_on_record_as_it_was(clock):
    readers.confirmed()
    erasing.forget(ADDRESS.key, Origin(how="mailed link"))
    erased_at = clock.now
    clock.forward(days=3)
    assert erasing.forget(ADDRESS.key, COMMAND)
    left = Suppression.objects.get()
    assert (left.erased_at, left.erased_how) == (erased_at, "mailed link")


def test_an_erased_reader_comes_back_by_a_fresh_double_opt_in_only(clock):
    old = readers.confirmed()
    erasing.forget(ADDRESS.key, COMMAND)
    erased_at = clock.now
    clock.forward(days=1)
    with pytest.raises(Refused, match="erased"):
        optin.add_active(ADDRESS, "weekly", origin=COMMAND)
    with pytest.raises(Refused, match="own confirmation"):
        optin.lift(old.suppression_hash, COMMAND)
    assert optin.confirm(old.public_id, "weekly", LINK) is Confirmation.GONE
    assert not optin.unsubscribe(old.public_id, "weekly", Origin(how="one-click"))
    assert ask() is Answer.MAIL_DUE
    assert deliverable() == []
    optin.confirm(Subscriber.objects.get().public_id, "weekly", LINK)
    assert deliverable() == [ADA.email]
    assert Suppression.objects.count() == 0
    steps = Consent.objects.order_by("at").values_list("step", "how", "at")
    assert [step[:2] for step in steps] == [("erased", "command"), ("requested", "form"), ("confirmed", "link")]
    assert steps[0][2] == erased_at


def test_a_stronger_reason_outlives_the_erasure_without_its_text(clock):
    reader = readers.confirmed()
    optin.suppress(reader.suppression_hash, "manual", COMMAND, optin.Why("Ada Lovelace asked by phone"))
    since = clock.now
    clock.forward(days=3)
    erasing.forget(ADDRESS.key, COMMAND)
    left = Suppression.objects.get()
    assert (left.reason, left.at, left.note, left.erased_at) == ("manual", since, "", clock.now)
    assert optin.lift(left.hash, COMMAND) == "manual"
    left = Suppression.objects.get()
    assert (left.reason, left.erased_how) == ("erased", "command")


def test_suppression_is_for_all_newsletters_and_leaving_for_one():
    reader = readers.confirmed()
    optin.add_active(ADDRESS, "jianbao", origin=COMMAND)
    optin.unsubscribe(reader.public_id, "weekly", LINK)
    assert (deliverable("weekly"), deliverable("jianbao")) == ([], [ADA.email])
    suppress(reader, "complaint")
    assert deliverable("jianbao") == []
    assert readers.state_of(reader, "jianbao") == "active"


# ---------------------------------------------------------------- added by an editor


def test_an_editor_adds_a_reader_with_the_source_of_their_consent():
    optin.add_active(ADDRESS, "weekly", name="Ada", origin=COMMAND)
    optin.add_active(ADDRESS, "weekly", origin=COMMAND)
    assert deliverable() == [ADA.email]
    record = Consent.objects.get()
    assert (record.step, record.how, record.source) == ("imported", "command", "asked at the fair")


def test_an_editor_cannot_bring_back_a_subscriber_who_left():
    reader = readers.unsubscribed(who=ADA)
    with pytest.raises(Refused, match="unsubscribed"):
        optin.add_active(ADDRESS, "weekly", origin=COMMAND)
    assert readers.state_of(reader) == "unsubscribed"


def test_an_editor_cannot_bring_back_a_subscriber_who_left_and_whose_address_somebody_typed_in(clock):
    reader = readers.unsubscribed(who=ADA)
    clock.forward(days=2)
    ask()
    with pytest.raises(Refused, match="unsubscribed"):
        optin.add_active(ADDRESS, "weekly", origin=COMMAND)
    assert readers.state_of(reader) == "pending"


def test_an_editor_cannot_add_a_suppressed_address():
    reader = readers.bounced(who=ADA)
    with pytest.raises(Refused, match="bounce"):
        optin.add_active(ADDRESS, "weekly", origin=COMMAND)
    assert Consent.objects.filter(subscriber=reader, step="imported").count() == 0


def test_erasing_leaves_nothing_beside_the_reason_and_the_dates():
    reader = readers.confirmed()
    why = optin.Why("hard bounce", Suppression.Rule.HARD_BOUNCE, ["weekly"])
    optin.suppress(reader.suppression_hash, "bounce", COMMAND, why)
    erasing.forget(ADDRESS.key, COMMAND)
    assert Suppression.objects.filter(reason="bounce", note="", rule=None, newsletters_left__isnull=True).exists()
