"""Who gets email after an import: the least counts, and no column about it is ignored silently."""

from pathlib import Path

import pytest

from subscribers.files.csv_records import FileError
from subscribers.files.exporting import rows
from subscribers.files.importing import Answers, apply, plan, read
from subscribers.files.staging import Stage
from subscribers.models import Consent, Subscription, Suppression
from tests.readers import ADA

pytestmark = pytest.mark.django_db


@pytest.fixture
def staged(tmp_path: Path):
    """Return what such a file says: `staged("email,state\\n…")`."""

    def write(
        content: str, state: str | None = None, chosen: dict[str, str] | None = None, name="people.csv", ignored=()
    ) -> Stage:
        path = tmp_path / name
        path.write_text(content)
        return read(path, "weekly", state, Answers(chosen or {}, reject_unknown=True, ignored=ignored))

    return write


def said(stage: Stage) -> list[str]:
    """Return each row's result in the file's order: its state, why they may not be emailed, or `rejected`."""
    with stage:
        people = [row for part in stage.people.parts(100) for row in stage.people.newcomers(part)]
        good = {row.address.email: row.suppressed or row.state for row in people}
        count = len(good) + stage.rejected
        return [good.get(f"{number}@readers.example", "rejected") for number in range(1, count + 1)]


def people(heading: str, *cells: str) -> str:
    """Return a file in which the subscribers 1@, 2@ … have these cells."""
    lines = [f"{number}@readers.example,{cell}" for number, cell in enumerate(cells, start=1)]
    return "\n".join([f"email,{heading}", *lines, ""])


@pytest.mark.parametrize(
    ("heading", "cells", "expected"),
    [
        ("State,Subscription Status", ["active,unsubscribed", "active,", ",bounced"], "unsubscribed active bounce"),
        ("Status,Email Marketing Status", ["active,cleaned", "pending,active"], "bounce pending"),
        ("Email,state,State", [",active,unsubscribed", ",active,active"], "unsubscribed active"),
        ("state,subscribed", ["active,no", "active,", "pending,1"], "unsubscribed active pending"),
        ("state,bounced,opted_out", ["active,yes,", "active,0,true", "active,no,false"], "bounce unsubscribed active"),
        ("state,unsubscribed_at,confirmed_at", ["active,05/11/2023,2023-01-01"], "unsubscribed"),
        ("state,unsubscribed_at,confirmed_at", ["active,2023-11-05,2999-01-01"], "unsubscribed"),
        ("state,unsubscribed_at,deleted_at", ["active,NULL,0000-00-00"], "active"),
        (
            "subscribed",
            ["yes", "no", "0", "1", "", "perhaps"],
            "active unsubscribed unsubscribed active rejected rejected",
        ),
        ("状态", ["已订阅", "已退订", "未确认", "别的"], "active unsubscribed pending rejected"),
        ("是否订阅", ["是", "否"], "active unsubscribed"),
    ],
)
def test_of_cells_that_disagree_the_one_that_mails_least_counts(staged, heading: str, cells: list[str], expected: str):
    assert said(staged(people(heading, *cells))) == expected.split()


@pytest.mark.parametrize(
    ("heading", "yes", "expected"),
    [
        ("Unsubscribed", "TRUE", "unsubscribed"),
        ("opted_out", "05/11/2023", "unsubscribed"),
        ("Bounced", "yes", "bounce"),
        ("退订", "是", "unsubscribed"),
    ],
)
def test_who_is_not_gone_did_not_agree_by_that(staged, heading: str, yes: str, expected: str):
    content = people(heading, yes, "false", "", "perhaps")
    assert said(staged(content)) == [expected, "rejected", "rejected", "rejected"]
    assert said(staged(content, "pending")) == [expected, "pending", "pending", "rejected"]


def test_an_unticked_box_is_not_a_yes_even_if_all_are_said_to_have_agreed(staged):
    assert said(staged(people("Subscribed", "yes", ""), "active")) == ["active", "rejected"]


def test_a_list_of_people_who_left_is_imported_as_that(staged):
    assert said(staged(people("name", "Ada"), "unsubscribed")) == ["unsubscribed"]
    assert said(staged(people("state", "active"), name="Unsubscribed Readers (1).csv")) == ["unsubscribed"]


def test_those_who_never_asked_for_mail_are_refused_by_the_name_of_their_file(staged):
    with pytest.raises(FileError, match="never asked for email"):
        staged(people("name", "Ada"), "active", name="NonSubscribed_email_audience_export.csv")


def test_every_column_is_named_as_read_or_not_and_those_that_may_say_who_left_once_more(staged):
    content = (
        "E-Mail,email,Vorname,Opt-Out Newsletter,active_subscription,Status\n1@b.example,a@b.example,Ada,,true,x\n"
    )
    with staged(
        content, "active", {"state": "active_subscription", "first_name": "vorname"}, ignored=["Status"]
    ) as stage:
        assert stage.columns.read == (
            ("email", "email"),
            ("Vorname", "first_name"),
            ("active_subscription", "state"),
        )
        assert stage.columns.not_read == ("E-Mail", "Opt-Out Newsletter", "Status")
        assert stage.columns.doubtful == ("Opt-Out Newsletter",)
        assert stage.guesses == ["More than one column could be the address; not read: E-Mail (--map email=COLUMN)."]
        assert stage.reading.unknown == {"true": 1}
    with pytest.raises(FileError, match=r"not read \(Newsletter-Opt\): --map state=COLUMN"):
        staged(people("Newsletter-Opt", "no"))


def test_what_no_column_says_can_be_mapped(staged):
    assert said(staged(people("Abo", "否", "是"), chosen={"subscribed": "Abo"})) == ["unsubscribed", "active"]
    assert said(staged(people("情况", "已退订"), chosen={"state": "情况"})) == ["unsubscribed"]
    with pytest.raises(FileError, match=r"--map name=Nom: no such column; there are email, Abo\.$"):
        staged(people("Abo", "no"), chosen={"name": "Nom"})


def test_dates_that_prove_nothing_are_counted_and_kept_as_they_are_written(staged):
    content = people("state,confirmed_at", "active,2023-13-45", "active,05/11/2023", "active,2999-01-01", "active,")
    with staged(content) as stage:
        apply(stage, "tests")
        dates = stage.dates
        assert (dates.unreadable, dates.first_unreadable, dates.future, dates.first_future) == (2, 2, 1, 4)
    claimed = [step.claimed.get("confirmed_at") for step in Consent.objects.order_by("subscriber__email")]
    assert claimed == ["2023-13-45", "05/11/2023", "2999-01-01T00:00:00+00:00", None]


def test_a_bounce_of_the_future_happened_now(staged, clock):
    with staged(people("state,suppressed_at", "bounced,2999-01-01")) as stage:
        apply(stage, "tests")
    assert Suppression.objects.get().at == clock.now


def test_a_plan_counts_those_whom_nobody_may_mail_apart(staged):
    with staged(people("state", "active", "bounced", "complained", "unsubscribed")) as stage:
        assert plan(stage).new_by_state == {"active": 1, "suppressed": 2, "unsubscribed": 1}


def test_an_export_says_no_day_of_consent_that_nobody_told(staged):
    with staged(f"email,state\n{ADA.email},active\n") as stage:
        apply(stage, "tests")
    assert Subscription.objects.get().state == "active"
    assert [row["confirmed_at"] for row in rows("weekly")] == [""]
