"""In other people's files one bad row spoils only itself, and no file brings anybody back."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection

from subscribers import erasing, optin, renaming
from subscribers.addresses import parse
from subscribers.files import importing, inviting, staging
from subscribers.files.csv_records import FileError, find_encoding, read_records
from subscribers.files.importing import Answers
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from tests import readers
from tests.readers import ADA, BEN, CLEO, DORA

pytestmark = pytest.mark.django_db


def states() -> dict[str, str]:
    return dict(Subscription.objects.order_by("pk").values_list("subscriber__email", "state"))


def test_rows_become_readers_in_their_own_state(file):
    report = file.take_in(
        "email,name,state,language\n"
        "ada@readers.example,Ada,active,en\n"
        "ben@readers.example,Ben,pending,\n"
        "cleo@readers.example,Cleo,unsubscribed,zh-hans\n"
    )
    assert (report.new, report.new_by_state) == (3, {"active": 1, "pending": 1, "unsubscribed": 1})
    assert list(report.new_by_state) == sorted(report.new_by_state)
    assert states() == {ADA.email: "active", BEN.email: "pending", CLEO.email: "unsubscribed"}
    assert Subscriber.objects.get(email=CLEO.email).language == "zh-hans"
    steps = Consent.objects.order_by("subscriber__email").values_list("step", "how", "source")
    assert [step for step, _, _ in steps] == ["imported", "imported", "unsubscribed"]
    assert {(how, source) for _, how, source in steps} == {("import", "file people.csv")}


def test_an_import_mails_nobody(file):
    file.take_in("email\nben@readers.example\n", state="pending")
    assert Subscription.objects.get().confirmation_due is None


def test_a_file_without_states_needs_one(file):
    with pytest.raises(FileError, match="--state active"):
        file.take_in("email\nada@readers.example\n")
    assert file.take_in("email\nada@readers.example\n", state="active").new == 1


def test_a_row_without_its_state_takes_the_default_or_is_rejected(file):
    assert file.take_in("email,status\nada@readers.example,\n").rejected == 1
    assert file.take_in("email,status\nada@readers.example,\n", state="active").new == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_usual_encoding_separator_and_line_end_is_recognised(file, encoding: str, separator: str, end: str):
    rows = [
        ["Name", "EMAIL", "note"],
        ["李雷", "li@readers.example", "你好，世界"],
        ["韩梅梅", "han@readers.example", ""],
    ]
    report = file.take_in(end.join(separator.join(row) for row in rows).encode(encoding), state="active")
    assert (report.new, report.rejected) == (2, 0)
    assert set(Subscriber.objects.values_list("name", flat=True)) == {"李雷", "韩梅梅"}


def test_a_file_in_latin_1_is_not_taken_for_chinese_and_the_guess_is_said(file):
    file.path.write_bytes("email,name\nandrea@readers.example,Andréa\n".encode("latin-1"))
    with importing.read(file.path, "weekly", "active") as stage:
        assert "Western European" in stage.guesses[0]
        importing.apply(stage, "tests")
    assert Subscriber.objects.get().name == "Andréa"


@pytest.mark.parametrize("text", ["邮箱,姓名,状态\nli@readers.example,,已订阅\n", "email,name\na@b.example,韩梅梅\n"])
def test_a_small_file_in_chinese_is_read_as_chinese(file, text: str):
    file.path.write_bytes(text.encode("gb18030"))
    assert find_encoding(file.path).name == "gb18030"
    assert "".join(",".join(row.cells) + "\n" for row in read_records(file.path, find_encoding(file.path))) == text


@pytest.mark.parametrize("broken", [b"Ren\xe9, Jos\xe9", "李雷".encode()[:-1], b"\xff\xfe"])
def test_a_file_in_utf_8_with_some_broken_bytes_stays_one(file, broken: bytes):
    file.path.write_bytes("email,name\na@b.example,Zoé\nb@b.example,".encode() + broken + b"\n")
    assert find_encoding(file.path).name == "utf-8"


def test_a_list_of_bare_addresses_needs_no_heading(file):
    assert file.take_in("ada@readers.example\nben@readers.example\nben@\n", state="active").new == 2
    assert file.rejected[0][0] == 3


def test_a_column_of_any_name_can_be_mapped(file):
    file.path.write_text("Kontakt;Anrede;Status\nada@readers.example;Ada;Stammkunde\n")
    chosen = {"email": "kontakt", "name": "Anrede", "state": "nowhere"}
    with pytest.raises(FileError, match="no such column; there are Kontakt, Anrede, Status"):
        importing.read(file.path, "weekly", "active", Answers(chosen))
    mapped = {"email": "kontakt", "name": "Anrede"}
    with importing.read(file.path, "weekly", "active", Answers(mapped, reject_unknown=True)) as stage:
        assert "state is 'Stammkunde'" in next(iter(stage.rejected_rows))[1]
    with pytest.raises(FileError, match="off is not a field"):
        importing.read(file.path, "weekly", "active", Answers({"off": "Status"}))
    file.path.write_text("ada@readers.example,Ada\nben@readers.example,Ben\n")
    with pytest.raises(FileError, match="contains an address"):
        importing.read(file.path, "weekly", "active", Answers({"email": "ada@readers.example"}))


def test_bytes_that_are_not_text_are_refused(file):
    with pytest.raises(FileError, match="UTF-16"):
        file.take_in("email\nada@readers.example\n".encode("utf-16-le"), state="active")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("name,phone\nAda,1\n", "and one must be email; there are name, phone"),
        ("ada@readers.example,Ada\nben@readers.example,Ben\n", "contains an address.* such as email,name,state"),
        ('email,"name\nada@readers.example,Ada\n', "is broken"),
    ],
)
def test_a_file_without_a_heading_is_refused_as_a_whole(file, content: str, reason: str):
    with pytest.raises(FileError, match=reason):
        file.take_in(content, state="active")
    assert Subscriber.objects.count() == 0


def test_the_same_address_twice_is_one_reader_and_what_mails_least_counts(file):
    report = file.take_in(
        "email,state\nada@readers.example,active\nADA@readers.example,unsubscribed\nada@Readers.Example,active\n"
        "ben@readers.example,bounced\nben@readers.example,unsubscribed\n"
    )
    assert (report.new, report.duplicates) == (2, 3)
    assert {email.lower(): state for email, state in states().items()} == {
        ADA.email: "unsubscribed",
        BEN.email: "unsubscribed",
    }
    assert Suppression.objects.get().reason == "bounce"


def test_importing_again_changes_nothing(file):
    content = (
        "email,state\nada@readers.example,active\nben@readers.example,pending\ncleo@readers.example,unsubscribed\n"
    )
    file.take_in(content)
    before = list(Consent.objects.values())
    report = file.take_in(content)
    assert (report.new, report.unchanged) == (0, 3)
    assert list(Consent.objects.values()) == before


def test_no_file_brings_anybody_back(file):
    everybody = readers.everybody()
    report = file.take_in(
        "email,state\n" + "".join(f"{who.email},active\n" for who in (ADA, BEN, CLEO, DORA)),
    )
    assert (report.new, report.unchanged, report.stay_unsubscribed, report.stay_pending) == (0, 2, 1, 1)
    assert states() == {ADA.email: "active", BEN.email: "pending", CLEO.email: "unsubscribed", DORA.email: "active"}
    assert readers.suppression_of(everybody["bounced"]) == "bounce"


def test_a_file_does_not_confirm_a_subscriber_who_left_and_whose_address_somebody_typed_in(file, clock):
    reader = readers.unsubscribed()
    clock.forward(days=2)
    optin.subscribe(parse(CLEO.email), "weekly", origin=readers.FORM)
    assert file.take_in(f"email\n{CLEO.email}\n", state="active").stay_unsubscribed == 1
    assert readers.state_of(reader) == "pending"


def test_when_somebody_opted_in_is_when_they_asked(file):
    file.take_in(f"email,Opt-in time,Opt-in IP\n{ADA.email},2024-03-01 10:00:00,192.0.2.9\n", state="active")
    claimed = Consent.objects.get(subscriber__email=ADA.email).claimed
    assert claimed["requested_at"].startswith("2024-03-01T10:00")
    assert claimed["network"] == "192.0.2.0/24"


def test_a_suppressed_stranger_is_not_taken_in(file):
    readers.bounced()
    Subscriber.objects.all().delete()
    report = file.take_in(f"email\n{DORA.email}\n", state="active")
    assert (report.new, report.suppressed) == (0, 1)
    assert Subscriber.objects.count() == 0


def test_a_file_may_unsubscribe(file):
    reader = readers.confirmed()
    assert file.take_in(f"email,state\n{ADA.email},unsubscribed\n").left == 1
    assert readers.history_of(reader)[-1] == ("unsubscribed", "import")


def test_a_reader_of_one_newsletter_joins_another(file):
    reader = readers.confirmed()
    assert file.take_in(f"email\n{ADA.email}\n", "active", newsletter="jianbao").new == 1
    assert readers.state_of(reader, "jianbao") == "active"
    assert Subscriber.objects.count() == 1


def test_rows_for_another_newsletter_are_rejected(file):
    assert file.take_in(f"email,newsletter\n{ADA.email},jianbao\n{BEN.email},weekly\n", "active").rejected == 1
    assert "'jianbao'" in file.rejected[0][1]


def test_a_plan_writes_nothing_and_says_what_would_happen(file):
    file.path.write_text(f"email\n{ADA.email}\n{BEN.email}\nada@\n")
    with importing.read(file.path, "weekly", "active") as stage:
        report = importing.plan(stage)
        assert (report.new, report.rejected, report.first_rejected[0].line) == (2, 1, 4)
        assert Subscriber.objects.count() == 0
        assert not Path(f"{file.path}.rejected.csv").exists()


def test_many_chunks_are_one_import(file, monkeypatch):
    monkeypatch.setattr(staging, "CHUNK", 10)
    report = file.take_in("email\n" + "".join(f"r{n}@readers.example\n" for n in range(95)), state="active")
    assert report.new == Subscription.objects.deliverable().count() == 95


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the disk for temporary tables is this machine's")
def test_a_full_temporary_disk_is_named(file):
    people = "\n".join(f"reader{number}@readers.example,active" for number in range(1000))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA temp.max_page_count = 8")
        try:
            with pytest.raises(FileError, match=r"full.*nothing was imported.*TMPDIR"):
                file.take_in(f"email,state\n{people}\n")
        finally:
            cursor.execute("PRAGMA temp.max_page_count = 1073741823")
    assert not Subscriber.objects.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite knows no rights")
def test_a_missing_right_to_create_temporary_tables_is_named(file):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE importer; SET LOCAL ROLE importer")
        cursor.execute("SAVEPOINT before")
        with pytest.raises(FileError, match=r"nothing was imported.*GRANT TEMPORARY ON DATABASE"):
            file.take_in(f"email,state\n{ADA.email},active\n")
        cursor.execute("ROLLBACK TO SAVEPOINT before; RESET ROLE")


@pytest.mark.django_db(transaction=True)
def test_after_an_import_the_database_checks_again_what_is_written(file):
    file.take_in("email,state\nada@example.org,active\n")
    with pytest.raises(IntegrityError):
        Subscription.objects.update(state="perhaps")
    with pytest.raises(FileError):
        file.take_in("")
    with pytest.raises(IntegrityError):
        Consent.objects.update(step="perhaps")


def test_those_who_are_invited_are_asked_one_after_the_other_and_once(file, clock):
    file.path.write_text("email\n" + "".join(f"r{n}@readers.example\n" for n in range(4)) + f"{CLEO.email}\n")
    readers.unsubscribed()

    def invite() -> int:
        with importing.read(file.path, "weekly", "pending") as stage:
            return importing.apply(stage, "tests", invitations=inviting.invitations("weekly", per_hour=2)).invited

    assert (invite(), invite()) == (4, 0)
    due = Subscription.objects.filter(state="pending").order_by("confirmation_due")
    assert [at - clock.now for at in due.values_list("confirmation_due", flat=True)] == [
        timedelta(minutes=30 * n) for n in range(4)
    ]
    assert inviting.invitations("weekly", per_hour=2).next_at == clock.now + timedelta(hours=2)
    assert readers.state_of(Subscriber.objects.get(email=CLEO.email)) == "unsubscribed"


def test_no_file_brings_back_an_erased_subscriber(file):
    readers.confirmed()
    erasing.forget(ADA.email, readers.LINK)
    report = file.take_in(f"email,state\n{ADA.email},active\n{ADA.email},bounced\n")
    assert (report.new, report.suppressed) == (0, 1)
    assert Subscriber.objects.count() == 0


def test_a_file_of_people_who_left_is_not_lost_on_a_newsletter_that_was_renamed_meanwhile(file):
    ada = readers.confirmed()
    renaming.rename("weekly", "boards", "")
    with pytest.raises(FileError, match="weekly was renamed to boards"):
        file.take_in("email,state\nada@readers.example,unsubscribed\n")
    assert not ada.consents.filter(newsletter="weekly").exists()
