"""Files of other people: one bad row spoils only itself, and nobody comes back by a file."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from subscribers import csvfiles, exporting, importing, optin
from subscribers.addresses import AddressError, clean_name, parse
from subscribers.csvfiles import LONGEST_LINE, FileError
from subscribers.importing import Report, import_csv
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from tests import readers
from tests.readers import ADA, BEN, CLEO, DORA

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path):
    return Folder(tmp_path)


class Folder:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "people.csv"

    def take_in(self, content: str | bytes, state: str | None = None, newsletter: str = "weekly") -> Report:
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        return import_csv(self.path, newsletter, state, "file people.csv")

    @property
    def rejected(self) -> list[tuple[int, str, str]]:
        with Path(f"{self.path}.rejected.csv").open(encoding="utf-8-sig", newline="") as found:
            return [(int(row["line"]), row["reason"], row["row"]) for row in csv.DictReader(found)]


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
    assert list(Subscriber.objects.order_by("pk").values_list("name", flat=True)) == ["李雷", "韩梅梅"]


def test_a_file_in_latin_1_is_not_taken_for_chinese(file):
    report = file.take_in(
        "email,name\nandrea@readers.example,Andréa\nada@readers.example,Ada\n".encode("latin-1"), "active"
    )
    assert (report.new, report.rejected) == (1, 1)
    assert "UTF-8" in file.rejected[0][1]


def test_bytes_that_are_no_text_are_refused(file):
    with pytest.raises(FileError, match="UTF-16"):
        file.take_in("email\nada@readers.example\n".encode("utf-16-le"), state="active")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("name,phone\nAda,1\n", "one of them email; it names name, phone"),
        ("ada@readers.example\nben@readers.example\n", "must name the columns"),
        ('email,"name\nada@readers.example,Ada\n', "is broken"),
    ],
)
def test_a_file_without_a_heading_is_refused_as_a_whole(file, content: str, reason: str):
    with pytest.raises(FileError, match=reason):
        file.take_in(content, state="active")
    assert Subscriber.objects.count() == 0


def test_good_rows_are_kept_and_bad_rows_are_written_down_with_their_reasons(file):
    bad = [
        (b"ada@,Ada,active", "one @"),
        (b"nul@readers.example,N\0l,active", "NUL"),
        (b"wide@readers.example,Wide,active,and,more", "5 columns"),
        (b'quote@readers.example,"open,active', "quotation mark"),
        (b'after@readers.example,"A"b,active', "quotation mark"),
        (b"state@readers.example,State,vip", "state is 'vip'"),
        (b"broken@readers.example,\xff\xfe,active", "broken characters"),
        (b"long@readers.example," + b"x" * 70_000 + b",active", f"longer than {LONGEST_LINE}"),
        (b"name@readers.example," + b"x" * 201 + b",active", "longer than 200"),
        ("王@readers.example,Wang,active".encode(), "before the @"),
    ]
    good = [b"good%d@readers.example,Good,active" % number for number in range(len(bad) + 1)]
    lines = [b"email,name,state", good[0]]
    for (row, _), kept in zip(bad, good[1:], strict=True):
        lines += [row, kept]
    report = file.take_in(b"\n".join(lines) + b"\n")
    assert (report.new, report.rejected) == (len(good), len(bad))
    assert report.rejected_file == file.path.with_name("people.csv.rejected.csv")
    assert [line for line, _, _ in file.rejected] == [3 + 2 * number for number in range(len(bad))]
    for (_, said, row), (bytes_, reason) in zip(file.rejected, bad, strict=True):
        assert reason in said
        assert row.split(",")[0] == bytes_.split(b",")[0].decode()


def test_a_field_may_go_over_lines_and_an_unclosed_one_takes_none_with_it(file):
    report = file.take_in(
        'email,note\nada@readers.example,"two\nlines"\nben@readers.example,"never closed\n'
        + "".join(f"r{number}@readers.example,\n" for number in range(100)),
        state="active",
    )
    assert (report.new, report.rejected) == (101, 1)
    assert file.rejected[0][0] == 4


def test_rows_of_empty_cells_are_nothing(file):
    report = file.take_in("email,name\n,\n\nada@readers.example,Ada\n,,\n", state="active")
    assert (report.new, report.rejected) == (1, 0)


def test_the_same_address_twice_is_one_reader_and_what_mails_least_counts(file):
    report = file.take_in(
        "email,state\nada@readers.example,active\nADA@readers.example,unsubscribed\nada@Readers.Example,active\n"
        "ben@readers.example,bounced\nben@readers.example,unsubscribed\n"
    )
    assert (report.new, report.duplicates) == (2, 3)
    assert states() == {ADA.email: "unsubscribed", BEN.email: "unsubscribed"}
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
    assert (report.new, report.unchanged, report.stay_unsubscribed) == (0, 3, 1)
    assert states() == {ADA.email: "active", BEN.email: "pending", CLEO.email: "unsubscribed", DORA.email: "active"}
    assert readers.suppression_of(everybody["bounced"]) == "bounce"


def test_a_file_does_not_confirm_for_whoever_left_and_whose_address_somebody_typed_in(file, clock):
    reader = readers.unsubscribed()
    clock.forward(days=2)
    optin.subscribe(parse(CLEO.email), "weekly", origin=readers.FORM)
    assert file.take_in(f"email\n{CLEO.email}\n", state="active").stay_unsubscribed == 1
    assert readers.state_of(reader) == "pending"


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
    monkeypatch.setattr(importing, "CHUNK", 10)
    report = file.take_in("email\n" + "".join(f"r{n}@readers.example\n" for n in range(95)), state="active")
    assert report.new == Subscription.objects.deliverable().count() == 95


# ---------------------------------------------------------------- out and back

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "'=1", "''=1", "'quoted'", "'", "李=雷", 'a"b', "a,b;c"]


def test_what_a_spreadsheet_would_calculate_is_exported_as_text():
    for cell in (*FORMULAS[:5], "\tx", "\rx"):
        assert csvfiles.formula_safe(cell) == f"'{cell}"
    assert csvfiles.formula_safe("Ada") == "Ada"


@given(st.text(max_size=40) | st.sampled_from(FORMULAS))
def test_neutralising_a_formula_can_always_be_undone(cell: str):
    assert csvfiles.formula_restored(csvfiles.formula_safe(cell)) == cell
    assert not csvfiles.formula_safe(cell).startswith(("=", "+", "-", "@", "\t", "\r", "＝"))


def cleaned(name: str) -> str:
    try:
        return clean_name(name)
    except AddressError:
        return ""


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.from_regex(r"[a-z=+'|-]{1,12}", fullmatch=True),
        st.tuples(
            (st.text(max_size=30) | st.sampled_from(FORMULAS)).map(cleaned),
            st.sampled_from(["active", "pending", "unsubscribed"]),
            st.sampled_from(["", "en", "zh-hans"]),
            st.sampled_from(["", "bounce", "complaint", "manual"]),
        ),
        max_size=6,
    )
)
def test_an_export_is_imported_back_unchanged(tmp_path, people):
    Subscriber.objects.all().delete()
    Suppression.objects.all().delete()
    for local, (name, state, language, suppressed) in people.items():
        new = optin.Newcomer(parse(f"{local}@readers.example"), state, name, language)
        optin.take_in("weekly", [new], [], readers.LINK)
        if suppressed:
            reader = Subscriber.objects.get(email=new.address.email)
            optin.suppress(reader.suppression_hash, suppressed, readers.LINK)
    before = held()
    exported = io.StringIO(newline="")
    assert exporting.write_csv(exported, "weekly") == len(people)
    path = tmp_path / "export.csv"
    path.write_text(exported.getvalue(), newline="")
    Subscriber.objects.all().delete()
    Suppression.objects.all().delete()
    report = import_csv(path, "weekly", None, "export.csv")
    assert report.rejected == 0
    assert held() == before


def held() -> list[tuple[str, ...]]:
    return sorted(
        (row["email"], row["state"], row["newsletter"], row["name"], row["language"], row["suppressed"])
        for row in exporting.rows(None)
    )


def test_an_export_says_when_readers_came_and_left(clock):
    readers.everybody()
    rows = {row["email"]: row for row in exporting.rows("weekly")}
    now = clock.now.isoformat(timespec="seconds")
    assert rows[ADA.email]["confirmed_at"] == now
    assert rows[BEN.email]["confirmed_at"] == ""
    assert rows[CLEO.email]["unsubscribed_at"] == now
    assert rows[DORA.email]["suppressed"] == "bounce"
    assert list(exporting.rows("jianbao")) == []
