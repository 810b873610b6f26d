"""A column that may say who must not be emailed is read, or stops the import until somebody says what it is."""

import pytest

from subscribers.files.importing import Answers, Undecided, read
from subscribers.files.unread_columns import BATCH
from subscribers.models import Subscriber, Subscription, Suppression
from tests.readers import ADA, BEN, CLEO

pytestmark = pytest.mark.django_db


def people(heading: str, *cells: str) -> str:
    """Return a file in which the subscribers 1@, 2@ … have these cells."""
    lines = [f"{number}@readers.example,{cell}" for number, cell in enumerate(cells, start=1)]
    return "\n".join([f"email,{heading}", *lines, ""])


def became() -> list[str]:
    reasons = dict(Suppression.objects.values_list("hash", "reason"))
    found = Subscription.objects.select_related("subscriber").order_by("subscriber__email")
    return [reasons.get(one.subscriber.suppression_hash, one.state) for one in found]


@pytest.mark.parametrize(
    ("heading", "cells", "expected"),
    [
        ("doNotEmail", "1 0 TRUE false", "unsubscribed active unsubscribed active"),
        ("EMAIL_BLACKLISTED", "Yes No", "unsubscribed active"),
        ("EMAIL_MARKETING", "Subscribed Unsubscribed", "active unsubscribed"),
        ("DNC reason", "0 1 2 3", "active unsubscribed bounce manual"),
        ("doNotContact", "1 0", "unsubscribed active"),
        ("Marked as spam", "yes no", "complaint active"),
        ("Unsubscribed from all email", "true false", "unsubscribed active"),
        ("Email hard bounce reason", "UNKNOWN_USER", "bounce"),
        ("Marketing contact status", "non-marketing", "rejected"),
        ("HasOptedOutOfEmail", "1 0", "unsubscribed active"),
        ("DOUBLE_OPT-IN", "1 2", "active pending"),
        ("suppressed", "TRUE FALSE", "manual active"),
        ("黑名单", "是 否", "unsubscribed active"),
        ("拒收", "是 否", "unsubscribed active"),
        ("已退訂", "是 否", "unsubscribed active"),
        ("abgemeldet am", "2023-11-05 -", "unsubscribed active"),
        ("Gesperrt", "ja nein", "unsubscribed active"),
        ("Désabonné", "oui non", "unsubscribed active"),
        ("Fecha de baja", "2023-11-05 -", "unsubscribed active"),
    ],
)
def test_columns_of_leaving_are_read(file, heading: str, cells: str, expected: str):
    if expected == "rejected":
        with pytest.raises(Undecided):
            file.take_in(people(heading, *cells.split()), state="active")
        return
    file.take_in(people(heading, *cells.split()), state="active")
    assert became() == expected.split()


@pytest.mark.parametrize(
    ("heading", "values"),
    [
        ("Mail allowed", ["yes", "no"]),
        ("Kundenkonto", ["aktiv", "abgemeldet"]),
        ("Kolom 7", ["uitgeschreven", ""]),
        ("Tags", ['"vip, do not mail"', "beta"]),
        ("TAGS", ['"""vip"",""unsubscribed"""', ""]),
        ("Gruppe", ["Freunde", "unsubscribed", "Familie"]),
        ("Consent given", ["1", "0"]),
        ("Is active", ["true", "false"]),
        ("Quit on", ["2023-11-05", ""]),
        ("Reason for opting out", ["too many mails", ""]),
        ("Removed by", ["Karl", ""]),
        ("Blocked?", ["x", ""]),
        ("Einwilligung", ["ja", "nein"]),
        ("Can be contacted", ["yes", "no"]),
        ("Receive emails", ["TRUE", "FALSE"]),
        ("No marketing", ["x", ""]),
        ("Inactive", ["1", "0"]),
        ("Nicht anschreiben", ["ja", ""]),
        ("Ne plus contacter", ["oui", "non"]),
        ("No molestar", ["sí", ""]),
        ("Consenso", ["sì", "no"]),
        ("Niet mailen", ["ja", ""]),
        ("免打扰", ["是", "否"]),
        ("允许发送", ["是", "否"]),
        ("Keine Werbung", ["x", ""]),
        ("Werbesperre", ["1", "0"]),
        ("Ne pas contacter", ["oui", ""]),
        ("No enviar correo", ["sí", ""]),
        ("Não enviar", ["sim", ""]),
        ("Ha disdetto / cancellato", ["sì", ""]),
        ("停止接收", ["是", ""]),
        ("勿扰", ["是", ""]),
    ],
)
def test_a_column_that_may_say_who_left_stops_the_import_until_somebody_says_what_it_is(file, heading, values):
    content = people(f'"{heading}"', *values)
    with pytest.raises(Undecided, match=r"--ignore-column \"NAME\"") as stopped:
        file.take_in(content, state="active")
    assert list(stopped.value.columns) == [heading]
    assert "readers.example" not in str(stopped.value)
    assert not Subscriber.objects.exists()
    assert file.take_in(content, "active", answers=Answers(ignored=[heading])).new == len(values)


@pytest.mark.parametrize(
    ("heading", "values"),
    [
        ("Country", ["DE", "FR", "NO"]),
        ("Score", ["0", "1", "2"]),
        ("HTTP", ["404", "550"]),
        ("Tier", ["free", "premium", "gifted"]),
        ("Notes", ["met at the fair", "left-handed"]),
        ("Accepts SMS Marketing", ["yes", "no"]),
        ("SMS_BLACKLISTED", ["Yes", "No"]),
        ("Direct Mail", ["Yes", "No"]),
        ("Company active since", ["2001", "1999"]),
        ("Opt-in Date", ["3/2/2024 10:11 AM", "2024-03-02"]),
        ("Opt-in text", ["I want the letter", "I agree to the terms"]),
        ("Blocked", ["no", ""]),
        ("Contact owner", ["Ada", "Karl"]),
        ("CONTACT ID", ["1", "0"]),
        ("Emails received (6mo)", ["1", "0"]),
        ("htmlemail", ["1", "0"]),
        ("Customized Online Advertising", ["Yes", "No"]),
        ("bouncecount", ["0", "3"]),
        ("active_subscription", ["true", "false"]),
    ],
)
def test_columns_of_other_things_stop_nothing(file, heading: str, values: list[str]):
    assert file.take_in(people(heading, *values), state="active").new == len(values)


def test_a_telling_value_is_found_after_many_rows_and_a_column_of_many_values_is_let_go(file):
    rows = [f"r{number}@readers.example,note {number},day {number},yes" for number in range(BATCH + 10)]
    rows += ["last@readers.example,unsubscribed,day,no"]
    content = "\n".join(["email,Notes,Consent,May we write", *rows, ""]).replace("May we write", "Allowed")
    with pytest.raises(Undecided) as stopped:
        file.take_in(content, state="active")
    assert stopped.value.columns == {"Allowed": {"yes": BATCH + 10, "no": 1}}


def test_a_value_that_is_an_address_is_not_shown(file):
    with pytest.raises(Undecided, match=r"Removed by: 'an address' \(1 row\)\. ") as stopped:
        file.take_in(people("Removed by", CLEO.email), state="active")
    assert CLEO.email not in str(stopped.value)


def test_a_list_of_people_who_left_is_not_asked_about_the_rest(file):
    assert file.take_in(people("Reason for leaving", "too many"), state="unsubscribed").new == 1


def test_a_newsletter_of_yes_and_no_is_consent(file):
    file.take_in(people("Newsletter", "Yes", "no", "Unsubscribed", "Bounced"))
    assert became() == ["active", "unsubscribed", "unsubscribed", "bounce"]


def test_a_newsletter_that_is_one_stays_one_and_a_word_of_leaving_in_it_counts(file):
    report = file.take_in(f"email,newsletter\n{ADA.email},weekly\n{ADA.email},Unsubscribed\n", state="active")
    assert report.rejected == 1
    assert became() == ["unsubscribed"]


def test_a_permission_named_email_yields_to_the_column_of_addresses(file):
    rows = f"{ADA.email},Yes\n{BEN.email},No\n{CLEO.email},\n"
    report = file.take_in(f"Email Address,Email\n{rows}", state="active")
    assert (became(), report.kept_out) == (["active", "unsubscribed"], 1)
    # A permission that nobody uses says nothing.
    Subscriber.objects.all().delete()
    file.take_in(f"Email Address,Email\n{ADA.email},\n", state="active")
    assert became() == ["active"]


def test_what_is_mapped_or_ignored_is_no_longer_guessed(file):
    content = f"email,Status,Newsletter\n{ADA.email},Customer,friends\n{BEN.email},Lead,friends\n"
    with pytest.raises(Undecided, match="'Customer'"):
        file.take_in(content, "active", answers=Answers(ignored=["Newsletter"]))
    assert file.take_in(content, "active", answers=Answers(ignored=["status", "Newsletter"])).new == 2
    file.path.write_text(content)
    mapped = Answers({"state": "Newsletter"}, {"friends": "pending"}, ignored=["Status"])
    with read(file.path, "weekly", None, mapped) as stage:
        assert stage.columns.read == (("email", "email"), ("Newsletter", "state"))
        assert stage.good == 2
