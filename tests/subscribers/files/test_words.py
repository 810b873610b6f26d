"""Words for a state: which are known, which are asked about, and what happens to the rest."""

import pytest

from subscribers.files.importing import Answers, Undecided, read
from subscribers.files.voices import by_word
from subscribers.files.words import SERVICES, STATE_ORDER, STATES, is_leaving, is_no, is_yes, split
from subscribers.models import Subscriber, Subscription
from tests.readers import ADA, BEN

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("service", SERVICES)
def test_of_a_word_that_two_services_use_what_mails_least_counts(service: str):
    for verdict, words in SERVICES[service].items():
        for word in split(words):
            known = STATES[word]
            if known is None:
                assert verdict in (None, ("active", ""))
            elif verdict:
                assert STATE_ORDER.index(known[0]) >= STATE_ORDER.index(verdict[0])
                assert is_leaving(known) or not is_leaving(verdict)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("cancelled", "unsubscribed"),
        ("Not sending", "unsubscribed"),
        ("needs_attention", "unsubscribed"),
        ("PAUSED", "unsubscribed"),
        ("by_bounces", "bounce"),
        ("Soft bounced", "bounce"),
        ("5.1.1", "bounce"),
        ("Marked as spam", "complaint"),
        ("junk", "complaint"),
        ("blocked", "manual"),
        ("Non-marketing contact", "unsubscribed"),
        ("NEVER_SUBSCRIBED", "unsubscribed"),
        ("3", "bounce"),
        ("1", "active"),
        ("aktiv", "active"),
        ("abgemeldet", "unsubscribed"),
        ("DÉSABONNÉ", "unsubscribed"),
        ("desabonne", "unsubscribed"),
        ("Baja", "unsubscribed"),
        ("não confirmado", "pending"),
        ("disiscritto", "unsubscribed"),
        ("拒收", "manual"),
        ("已退訂", "unsubscribed"),
    ],
)
def test_words_of_other_services_and_languages_are_known(word: str, expected: str):
    state, reason = by_word(word, {}) or ("", "")
    assert (reason or state) == expected


def test_yes_and_no_are_known_in_other_languages():
    assert all(map(is_yes, ("wahr", "VRAI", "ja", "oui", "sí", "si", "sim", "vero", "verdadero", "是")))
    assert all(map(is_no, ("FALSCH", "faux", "nein", "non", "não", "falso", "否")))


def test_an_unknown_word_stops_the_import_before_anything_is_written(file):
    with pytest.raises(Undecided, match=r"'vip' \(2 rows\), 'lead' \(1 row\)\. --map-state") as stopped:
        file.take_in(f"email,state\n{ADA.email},vip\n{BEN.email},active\na@b.example,vip\nb@b.example,lead\n")
    assert stopped.value.unknown_states == {"vip": 2, "lead": 1}
    assert not Subscriber.objects.exists()
    assert not list(file.path.parent.glob("*.rejected.csv"))


def test_an_unknown_word_under_yes_and_no_stops_it_as_well(file):
    with pytest.raises(Undecided, match="'perhaps'"):
        file.take_in(f"email,subscribed\n{ADA.email},perhaps\n")
    with pytest.raises(Undecided, match="'an address'"):
        file.take_in(f"email,state\n{ADA.email},{BEN.email}\n")


def test_an_operator_says_what_a_word_means_also_one_that_is_known(file):
    answers = Answers(states={"VIP": "active", "paused": "active", "gone": "complained"})
    rows = f"{ADA.email},vip\n{BEN.email},Paused\ncleo@b.example,gone\n"
    report = file.take_in(f"email,state\n{rows}", answers=answers)
    assert report.new_by_state == {"active": 2, "suppressed": 1}


def test_what_is_rejected_for_its_word_no_other_row_takes_in(file):
    rows = f"{ADA.email},vip\n{ADA.email},active\n{BEN.email},active\n"
    report = file.take_in(f"email,state\n{rows}", answers=Answers(reject_unknown=True))
    assert (report.new, report.rejected, report.kept_out, report.first_kept_out) == (1, 1, 1, 2)
    assert Subscription.objects.get().subscriber.email == BEN.email


def test_numbers_are_read_as_mailtrains_and_that_is_said(file):
    file.path.write_text(f"email,status\n{ADA.email},1\n{BEN.email},2\n")
    with read(file.path, "weekly", None) as stage:
        assert "Numeric states are read as Mailtrain's" in stage.guesses[0]
        assert stage.good == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [("spam_reports", "complaint"), ("bounces", "bounce"), ("global_unsubscribes", "unsubscribed")],
)
def test_sendgrids_lists_are_told_by_their_names(file, name: str, expected: str):
    file.path = file.path.with_name(f"suppression_{name}.csv")
    report = file.take_in(f"email,created\n{ADA.email},2024-03-02T10:11:12Z\n")
    assert report.new_by_state == {"unsubscribed" if expected == "unsubscribed" else "suppressed": 1}
