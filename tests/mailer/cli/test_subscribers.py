"""`mailer subscribers`, as typed."""

import csv
import io
import json

import pytest
from click.testing import CliRunner, Result
from django.core import mail

from mailer.cli import cli
from mailer.cli.terminal import Exit, Problem, explain
from mailer.publishing.errors import CorrectRequest
from subscribers.models import Consent, Subscriber, Subscription
from tests import readers
from tests.readers import ADA, BEN, CLEO, DORA

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("up_to_date")]


@pytest.fixture
def hints(monkeypatch) -> list[int]:
    told: list[int] = []
    monkeypatch.setattr("mailer.broker.enqueue", lambda task, row: told.append(row) is None)
    return told


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["subscribers", *words], catch_exceptions=False)


WEEKLY = ("--newsletter", "weekly")


def test_adding_a_reader_mails_them_at_once_and_says_where_it_went():
    result = run("add", ADA.email, *WEEKLY, "--name", "Ada")
    assert result.exit_code == 0
    assert "pending; a rehearsal: the email is in" in result.stdout
    assert [message.to for message in mail.outbox] == [[ADA.email]]
    assert readers.state_of(Subscriber.objects.get(name="Ada")) == "pending"


def test_adding_a_reader_with_a_broker_tells_a_worker(settings, hints):
    settings.EMBEDDED = False
    assert "a worker sends it" in run("add", ADA.email, *WEEKLY).stdout
    assert hints == [Subscription.objects.get().pk]
    assert mail.outbox == []


def test_adding_twice_mails_once_and_says_why():
    run("add", ADA.email, *WEEKLY)
    result = run("add", ADA.email, *WEEKLY)
    assert result.exit_code == 1
    assert "three a day" in result.stderr
    assert len(mail.outbox) == 1


def test_adding_an_active_reader_needs_the_source_of_their_consent():
    assert run("add", ADA.email, *WEEKLY, "--active").exit_code == Exit.USAGE
    assert run("add", ADA.email, *WEEKLY, "--active", "--source", "the fair").exit_code == 0
    assert Consent.objects.get().basis == "the fair"
    assert mail.outbox == []
    assert "already" in run("add", ADA.email, *WEEKLY).stdout


def test_adding_a_reader_who_is_here_changes_what_was_given_and_says_so():
    reader = readers.confirmed()
    named = run("add", ADA.email, *WEEKLY, "--name", "Augusta", "--language", "zh-hans")
    assert "the name was changed" in named.stdout
    assert "the language was changed" in named.stdout
    active = run("add", ADA.email, *WEEKLY, "--active", "--source", "the fair", "--name", "Augusta", "--language", "pt")
    assert "the name was changed" not in active.stdout
    assert "in the newsletter's language" in active.stderr
    reader.refresh_from_db()
    assert (reader.name, reader.language) == ("Augusta", "pt")


def test_adding_a_reader_of_traditional_chinese_says_nothing_of_another_language():
    assert "language" not in run("add", ADA.email, *WEEKLY, "--active", "--source", "it", "--language", "zh-tw").stderr


def test_a_subscriber_who_left_is_not_added_as_active():
    readers.unsubscribed()
    result = run("add", CLEO.email, *WEEKLY, "--active", "--source", "the fair")
    assert result.exit_code == 1
    assert "unsubscribed" in result.stderr


@pytest.mark.parametrize("command", ["add", "show", "unsubscribe"])
def test_a_bad_address_is_bad_usage(command):
    result = run(command, "ada@")
    assert result.exit_code == Exit.USAGE
    assert "one @" in result.stderr


def test_several_newsletters_ask_for_one():
    with pytest.raises(CorrectRequest, match="weekly, jianbao") as refused:
        run("add", ADA.email)
    assert explain(refused.value).exit_code == Exit.USAGE


def people(tmp_path, *rows: str) -> str:
    path = tmp_path / "people.csv"
    path.write_text("email,state\n" + "".join(f"{row}\n" for row in rows))
    return str(path)


def test_an_import_without_a_terminal_and_without_yes_shows_its_plan_and_does_nothing(tmp_path):
    result = run("import", people(tmp_path, f"{ADA.email},active"), *WEEKLY)
    assert result.exit_code == Exit.NOT_CONFIRMED
    assert "1 new (1 active)" in result.stderr
    assert Subscriber.objects.count() == 0


def test_an_import_says_what_became_of_the_rows(tmp_path):
    result = run("import", people(tmp_path, f"{ADA.email},active", f"{BEN.email},pending"), *WEEKLY, "--yes")
    assert result.exit_code == 0
    assert "2 new (1 active, 1 pending)" in result.stdout
    assert "An import sends no email to pending" in result.stderr
    assert mail.outbox == []


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(f"email,state,Phone,Opt-in text\n{ADA.email},active,1,\n{BEN.email},bounced,,\nx@,active,,\n")
    assert "suppressed by the file" not in run("import", str(path), *WEEKLY, "--dry-run").stderr  # told as new
    result = run("import", str(path), *WEEKLY, "--dry-run", "--json")
    assert result.exit_code == 0
    plan = json.loads(result.stdout)
    assert (plan["done"], plan["new_by_state"], plan["rejected"]) == (False, {"active": 1, "suppressed": 1}, 1)
    assert plan["columns_read"] == [{"column": "email", "as": "email"}, {"column": "state", "as": "state"}]
    assert plan["columns_not_read"] == ["Phone", "Opt-in text"]
    assert "Columns read: email as email, state as state\n  Not read: Phone, Opt-in text\n" in result.stderr
    assert "may say who unsubscribed: Opt-in text." in plan["notes"][0]
    assert plan["notes"][0] in result.stderr
    assert json.loads(run("import", str(path), *WEEKLY, "--json").stdout) == plan
    assert (Subscriber.objects.count(), [child.name for child in tmp_path.iterdir()]) == (0, ["people.csv"])


def test_a_plan_says_once_what_holds_for_many_rows(tmp_path):
    rows = [f"r{number}@readers.example,{day}" for number, day in enumerate(["vip", "vip", "active", "active"])]
    path = tmp_path / "people.csv"
    path.write_text("email,state,confirmed_at\n" + "".join(f"{row},5/11/23\n" for row in rows))
    plan = run("import", str(path), *WEEKLY, "--dry-run", "--reject-unknown").stderr
    assert plan.count("the meaning of their state is unknown: 'vip' (2 rows).") == 1
    assert "2 dates could not be read, the first in line 4" in plan


def test_an_import_asks_what_unknown_words_mean_and_uses_the_answer(tmp_path):
    path = people(tmp_path, f"{ADA.email},vip", f"{BEN.email},active")
    result = run("import", path, *WEEKLY, "--dry-run", "--json")
    assert result.exit_code == Exit.USAGE
    assert "'vip' (1 row). --map-state WORD=STATE" in result.stderr
    assert json.loads(result.stdout)["unknown_states"] == {"vip": 1}
    assert run("import", path, *WEEKLY, "--map-state", "vip", "--yes").exit_code == Exit.USAGE
    assert run("import", path, *WEEKLY, "--map-state", "vip=friend", "--yes").exit_code == Exit.USAGE
    plan = run("import", path, *WEEKLY, "--reject-unknown", "--dry-run")
    assert "1 kept out, named in an unreadable row, the first in line 2" in plan.stderr
    assert run("import", path, *WEEKLY, "--map-state", "VIP=pending", "--yes").exit_code == 0
    assert Subscription.objects.get(subscriber__email=ADA.email).state == "pending"


def test_an_import_reads_files_only(tmp_path):
    for name in ("-", "/dev/stdin"):
        assert "is not a file, and an import reads it more than once" in run("import", name, *WEEKLY).stderr
    assert "does not exist" in run("import", str(tmp_path / "none.csv"), *WEEKLY).stderr


def test_an_import_that_rejected_rows_ends_with_five(tmp_path):
    result = run("import", people(tmp_path, f"{ADA.email},active", "ben@,active"), *WEEKLY, "--yes", "--json")
    assert result.exit_code == Exit.OPEN_ENDS
    report = json.loads(result.stdout)
    assert (report["new"], report["rejected"]) == (1, 1)
    assert report["rejected_file"].endswith("people.csv.rejected.csv")
    assert ":3 An address needs exactly one @" in result.stderr


def test_a_file_that_cannot_be_read_is_said_in_a_sentence(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("name\nAda\n")
    assert "one must be email" in run("import", str(path), *WEEKLY, "--state", "active").stderr
    path.write_text(f"email\n{ADA.email}\n")
    assert "add --state active" in run("import", str(path), *WEEKLY).stderr
    assert run("import", str(tmp_path / "none.csv"), *WEEKLY).exit_code == Exit.USAGE


def test_show_tells_the_whole_history():
    readers.unsubscribed()
    shown = json.loads(run("show", CLEO.email, "--json").stdout)
    assert shown["subscriptions"][0]["state"] == "unsubscribed"
    assert [step["step"] for step in shown["history"]] == ["requested", "confirmed", "unsubscribed"]
    text = run("show", "CLEO@readers.example").stdout
    assert "weekly: unsubscribed since" in text
    assert "one-click" in text
    assert run("show", "nobody@readers.example").exit_code == 1


def test_show_quotes_what_the_reader_agreed_to_and_what_a_file_claimed(tmp_path):
    readers.confirmed()
    path = tmp_path / "fair.csv"
    path.write_text(f"email,confirmed_at,ip_address\n{BEN.email},2019-05-06 07:08:09,192.0.2.99\n")
    run("import", str(path), *WEEKLY, "--state", "active", "--source", "the book fair", "--yes")
    assert "they were shown (version 1, en): “I want to get The Weekly by mail.”" in run("show", ADA.email).stdout
    shown = run("show", BEN.email).stdout
    assert "weekly · import · file fair.csv · the book fair" in shown
    assert "the file said: confirmed at 2019-05-06T07:08:09+00:00, network 192.0.2.0/24, state active" in shown


def test_an_import_asks_at_a_terminal_how_the_readers_agreed_and_keeps_the_answer_with_each(tmp_path, monkeypatch):
    path = tmp_path / "fair.csv"
    path.write_text(f"email\n{ADA.email}\n{BEN.email}\n")
    monkeypatch.setattr("mailer.cli.subscribers.files.on_terminal", lambda: True)
    monkeypatch.setattr("mailer.cli.terminal.on_terminal", lambda: True)
    given = ["import", str(path), *WEEKLY, "--state", "active"]
    asked = CliRunner().invoke(cli, ["subscribers", *given], input="\n the book  fair, 2026\ny\n")
    assert "How did these 2 subscribers agree to get email" in asked.stderr
    assert list(Consent.objects.values_list("basis", flat=True)) == ["the book fair, 2026"] * 2
    assert json.loads(run("show", ADA.email, "--json").stdout)["history"][0]["basis"] == "the book fair, 2026"
    assert "the book fair, 2026" in run("export").stdout
    again = CliRunner().invoke(cli, ["subscribers", *given], input="y\n")
    assert "How did" not in again.stderr  # nobody is new


def test_an_import_that_nobody_is_asked_about_goes_on_and_says_what_it_lacks(tmp_path):
    path = tmp_path / "fair.csv"
    path.write_text(f"email\n{ADA.email}\n")
    left = run("import", str(path), *WEEKLY, "--state", "unsubscribed", "--yes")
    assert (left.exit_code, "--source" in left.stderr) == (0, False)
    path.write_text(f"email\n{BEN.email}\n")
    active = run("import", str(path), *WEEKLY, "--state", "active", "--yes")
    assert active.exit_code == 0
    assert "How they agreed to get email is not recorded" in active.stderr
    assert run("import", str(path), *WEEKLY, "--state", "active", "--source", "x" * 301).exit_code == Exit.USAGE


def test_erasing_a_reader_shows_what_goes_and_asks_first():
    readers.confirmed()
    asked = run("forget", ADA.email)
    assert asked.exit_code == Exit.NOT_CONFIRMED
    assert "newsletters (weekly), 2 steps of consent" in asked.stderr
    assert Subscriber.objects.count() == 1
    assert "is erased" in run("forget", ADA.email, "--yes").stdout
    assert Subscriber.objects.count() == 0
    assert "suppressed: erased" in run("show", ADA.email).stdout
    assert "own confirmation" in run("suppress", ADA.email, "--lift", "--reason", "oops").stderr
    assert "nothing to erase" in run("forget", BEN.email, "--yes").stderr


def test_of_an_erased_reader_show_knows_when_and_how_and_nothing_else():
    readers.confirmed()
    run("forget", ADA.email, "--yes")
    shown = json.loads(run("show", ADA.email, "--json").stdout)
    [step] = shown["history"]
    assert (step.pop("step"), step.pop("how"), step.pop("at")) == (
        "erased",
        "command",
        shown["suppressed"]["erased_at"],
    )
    assert not any([*step.values(), shown["id"], shown["subscriptions"], shown["sends"]])
    assert run("show", ADA.email).stdout.splitlines()[-1].endswith("UTC  erased        command")
    readers.pending(who=ADA)
    steps = json.loads(run("show", ADA.email, "--json").stdout)["history"]
    assert [step["step"] for step in steps] == ["erased", "requested"]


def test_an_import_can_ask_pending_readers_to_confirm(tmp_path):
    path = people(tmp_path, f"{ADA.email},pending", f"{BEN.email},pending")
    result = run("import", path, *WEEKLY, "--invite", "--per-hour", "60", "--yes")
    assert "asked to confirm, 60 an hour" in result.stderr
    assert "2 confirmation emails will go out" in result.stdout
    assert Subscription.objects.filter(confirmation_due=None).count() == 0
    assert run("import", path, *WEEKLY, "--map", "email", "--yes").exit_code == Exit.USAGE
    assert "given twice" in run("import", path, *WEEKLY, "--map", "state=a", "--map", "state=b", "--yes").stderr


def test_unsubscribing_a_reader_is_on_their_record():
    reader = readers.confirmed()
    assert "is unsubscribed" in run("unsubscribe", ADA.email, *WEEKLY).stdout
    assert "was already" in run("unsubscribe", ADA.email, *WEEKLY).stdout
    assert readers.history_of(reader)[-1] == ("unsubscribed", "command")
    assert run("unsubscribe", "nobody@readers.example", *WEEKLY).exit_code == 1


def test_suppressing_and_lifting_name_their_reason():
    reader = readers.confirmed()
    assert run("suppress", ADA.email).exit_code == Exit.USAGE
    assert run("suppress", ADA.email, "--reason", "asked by phone").exit_code == 0
    assert readers.suppression_of(reader) == "manual"
    assert "asked by phone" in run("show", ADA.email).stdout
    assert "suppressed" in run("add", ADA.email, *WEEKLY).stderr
    assert "may be emailed again" in run("suppress", ADA.email, "--lift", "--reason", "a mistake").stdout
    assert readers.suppression_of(reader) is None
    assert "nothing to lift" in run("suppress", ADA.email, "--lift", "--reason", "again").stdout


def test_an_export_goes_to_the_terminal_or_to_a_file_closed_to_others(tmp_path):
    readers.everybody()
    rows = list(csv.DictReader(io.StringIO(run("export").stdout)))
    assert [row["email"] for row in rows] == [ADA.email, BEN.email, CLEO.email, DORA.email]
    path = tmp_path / "readers.jsonl"
    result = run("export", "--format", "jsonl", "-o", str(path), *WEEKLY)
    assert (result.stdout, result.exit_code) == ("", 0)
    assert json.loads(path.read_text().splitlines()[0])["state"] == "active"
    assert path.stat().st_mode & 0o077 == 0
    # Excel reads a CSV file as UTF-8 only with the mark; what another program reads has none.
    run("export", "-o", str(tmp_path / "readers.csv"), *WEEKLY)
    assert (tmp_path / "readers.csv").read_bytes().startswith(b"\xef\xbb\xbfemail,")
    assert not run("export").stdout_bytes.startswith(b"\xef")
    assert run("export", "-o", str(tmp_path / "no" / "folder.csv")).exit_code == Exit.USAGE


def test_a_failed_confirmation_is_said_in_a_sentence(monkeypatch):
    from django.core.mail.backends import locmem

    def refuse(self, messages):
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(locmem.EmailBackend, "send_messages", refuse)
    result = run("add", ADA.email, *WEEKLY)
    assert result.exit_code == Problem("").exit_code
    assert "was not sent: nobody listens" in result.stderr
