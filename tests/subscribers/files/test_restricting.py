"""A rejected row still says who left: no other row of the file lets them be emailed."""

import pytest

from subscribers.files import importing
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from tests import readers
from tests.readers import ADA, BEN

pytestmark = pytest.mark.django_db

REJECT = importing.Answers(reject_unknown=True)
ACTIVE = f"{ADA.email},Ada,active,en,weekly"
# The row of somebody who is {state}, each rejected for another reason.
DEFECTS = {
    "control character in the name": f"{ADA.email},A\x07da,{{state}},en,weekly",
    "NUL": f"{ADA.email},A\0da,{{state}},en,weekly",
    "NUL in the address": "ada\0@readers.example,Ada,{state},en,weekly",
    "broken character": f"{ADA.email},É A\udce4a,{{state}},en,weekly",
    "unknown language": f"{ADA.email},Ada,{{state}},English please,weekly",
    "a cell too many": f"{ADA.email},Lovelace, Ada,{{state}},en,weekly",
    "a cell too few": f"{ADA.email},{{state}}",
    "unescaped quote": f'{ADA.email},"Ada "Countess"",{{state}},en,weekly',
    "quote that is not closed": f'{ADA.email},"Ada,{{state}},en,weekly',
    "name around the address": f"Ada <{ADA.email}>,Ada,{{state}},en,weekly",
    "mailto": f"mailto:{ADA.email},Ada,{{state}},en,weekly",
    "full stop behind the address": f"{ADA.email}.,Ada,{{state}},en,weekly",
    "two addresses": f"{ADA.email};other@readers.example,Ada,{{state}},en,weekly",
    "address in another cell": f",Ada <{ADA.email}>,{{state}},en,weekly",
    "endless line": f"{ADA.email},{'x' * 200_000},{{state}},en,weekly",
}


def a_file(*rows: str) -> bytes:
    return "\n".join(["email,name,state,language,newsletter", *rows, ""]).encode("utf-8", "surrogateescape")


def state_of(who: str) -> str | None:
    return Subscription.objects.filter(subscriber__email=who).values_list("state", flat=True).first()


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS.keys())
@pytest.mark.parametrize("first", [True, False], ids=["rejected first", "good first"])
def test_a_rejected_row_of_somebody_who_left_keeps_them_out(file, defect: str, first: bool):
    gone = defect.format(state="unsubscribed")
    report = file.take_in(a_file(*[gone, ACTIVE] if first else [ACTIVE, gone]), state="active")
    assert report.rejected == 1
    assert state_of(ADA.email) == "unsubscribed"


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS.keys())
def test_a_rejected_row_of_somebody_who_complained_suppresses_them(file, defect: str):
    file.take_in(a_file(ACTIVE, defect.format(state="complained")), state="active")
    assert Suppression.objects.filter(reason="complaint").exists()


@pytest.mark.parametrize("defect", sorted(DEFECTS.keys() - {"a cell too few"}))
def test_a_rejected_row_that_says_active_or_nothing_else_makes_nobody_active(file, defect: str):
    file.take_in(a_file(DEFECTS[defect].format(state="active")), state="active")
    assert state_of(ADA.email) is None


def test_a_rejected_row_unsubscribes_whom_no_other_row_names_and_who_reads_here(file):
    reader = readers.confirmed()
    row = DEFECTS["unknown language"]
    report = file.take_in(a_file(row.format(state="unsubscribed"), row.replace("ada", "new").format(state="bounced")))
    assert (report.left, report.rejected, report.newly_suppressed) == (1, 2, 1)
    assert readers.history_of(reader)[-1] == ("unsubscribed", "import")
    assert state_of("new@readers.example") == "active"
    assert Suppression.objects.get().reason == "bounce"


@pytest.mark.parametrize(
    "unreadable",
    [
        f"Ada <{ADA.email}>,Ada,{{}},en,weekly",
        f"{ADA.email},Ada,and,{{}},en,weekly",
        f'{ADA.email},"A"d,{{}},en,weekly',
    ],
)
def test_whom_a_row_names_that_says_nothing_readable_no_other_row_takes_in(file, unreadable: str):
    active = f"{BEN.email},Ben,active,en,weekly"
    report = file.take_in(a_file(ACTIVE, active, unreadable.format("neither yes nor no")), answers=REJECT)
    assert (report.new, report.kept_out, report.first_kept_out) == (1, 1, 4)
    assert (state_of(ADA.email), state_of(BEN.email)) == (None, "active")
    # Nor as one who is asked to confirm; but one who left may be taken in as that.
    assert file.take_in(a_file(ACTIVE.replace("active", "pending"), unreadable.format("?")), answers=REJECT).new == 0
    file.take_in(a_file(ACTIVE.replace("active", "unsubscribed"), unreadable.format("?")), answers=REJECT)
    assert state_of(ADA.email) == "unsubscribed"


def test_a_tick_that_nobody_made_keeps_its_address_out(file):
    assert file.take_in(f"email,subscribed\n{ADA.email},yes\n{ADA.email},\n", state="active").kept_out == 1
    assert not Subscriber.objects.exists()


def test_of_a_rejected_row_that_says_pending_nobody_becomes_active(file):
    file.take_in(a_file(ACTIVE, DEFECTS["unknown language"].format(state="pending")))
    assert state_of(ADA.email) == "pending"


def test_every_row_of_a_file_of_leavers_is_of_a_leaver_also_a_broken_one(file):
    file.take_in(f'email,name\n{ADA.email},"A"da\n', state="unsubscribed")
    assert state_of(ADA.email) == "unsubscribed"


def test_a_row_for_another_newsletter_restricts_only_by_what_holds_for_all(file):
    other = [f"{ADA.email},Ada,unsubscribed,en,jianbao", f"{BEN.email},Ben,complained,en,jianbao"]
    report = file.take_in(a_file(ACTIVE, *other))
    assert (report.new, report.newly_suppressed, report.rejected) == (1, 1, 2)
    assert state_of(ADA.email) == "active"
    assert (Suppression.objects.get().reason, Subscriber.objects.count()) == ("complaint", 1)


def test_a_lost_character_makes_nobody_of_somebody_else(file):
    file.take_in(a_file("a\udce4da@readers.example,Ada,unsubscribed,en,weekly", ACTIVE))
    assert state_of(ADA.email) == "active"


def test_what_a_rejected_row_claims_of_a_leaving_is_kept(file):
    file.take_in(f"email,unsubscribed_at,language\n{ADA.email},2023-05-11,not a code\n", state="active")
    assert Consent.objects.get().claimed["unsubscribed_at"] == "2023-05-11T00:00:00+00:00"


def test_a_broken_json_line_restricts_as_well(file):
    file.path = file.path.with_suffix(".jsonl")
    good = f'{{"email": "{ADA.email}", "state": "active"}}\n'
    file.take_in(good + f'{{"email": "{ADA.email}", "state": "unsubscribed", "note": broken}}\n')
    assert state_of(ADA.email) == "unsubscribed"


def test_a_name_that_is_too_long_is_cut_and_its_row_counts(file):
    long = "x" * 201
    file.path.write_text(f"email,name,state\n{ADA.email},Ada,active\n{ADA.email},{long},unsubscribed\n")
    with importing.read(file.path, "weekly", None) as stage:
        assert (stage.reading.long_names, stage.reading.first_long_name) == (1, 3)
        assert importing.apply(stage, "tests").rejected == 0
    assert state_of(ADA.email) == "unsubscribed"
    assert Subscriber.objects.get().name == "x" * 200
