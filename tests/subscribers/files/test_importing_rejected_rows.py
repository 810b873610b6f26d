"""Rows that cannot be imported: each spoils only itself, and is saved with its reason."""

import contextlib
import csv
from pathlib import Path

import pytest

from subscribers.files import importing
from subscribers.files.csv_records import LONGEST_LINE, FileError
from subscribers.models import Subscriber

REJECT_UNKNOWN = importing.Answers(reject_unknown=True)
pytestmark = pytest.mark.django_db


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
        (b"name@readers.example,bell\x07,active", "control character"),
        ("王@readers.example,Wang,active".encode(), "before the @"),
    ]
    good = [b"good%d@readers.example,Good,active" % number for number in range(len(bad) + 1)]
    lines = [b"email,name,state", good[0]]
    for (row, _), kept in zip(bad, good[1:], strict=True):
        lines += [row, kept]
    report = file.take_in(b"\n".join(lines) + b"\n", answers=REJECT_UNKNOWN)
    assert (report.new, report.rejected) == (len(good), len(bad))
    assert report.rejected_file == file.path.with_name("people.csv.rejected.csv")
    assert [line for line, _, _ in file.rejected] == [3 + 2 * number for number in range(len(bad))]
    for (_, said, cells), (bytes_, reason) in zip(file.rejected, bad, strict=True):
        assert reason in said
        assert cells[0].split(",")[0] == bytes_.split(b",")[0].decode()


def test_rejected_rows_go_where_they_are_wanted_closed_to_others_and_calculate_nothing(file, tmp_path):
    file.path.write_text('email\n=HYPERLINK("x")\n')
    wanted = tmp_path / "why.csv"
    wanted.touch(mode=0o644)
    with importing.read(file.path, "weekly", "active") as stage:
        assert importing.apply(stage, "tests", rejected=wanted).rejected_file == wanted
        with pytest.raises(FileError, match="nothing was imported"):
            importing.apply(stage, "tests", rejected=tmp_path / "no" / "where.csv")
    assert wanted.stat().st_mode & 0o077 == 0
    with wanted.open(encoding="utf-8-sig", newline="") as found:
        assert next(csv.DictReader(found))["email"].startswith("'=")


def test_rejected_rows_are_fixed_in_their_file_and_imported_from_it(file, tmp_path):
    file.take_in(
        "email,name,state,Notiz\n"
        "ada@,=Ada,active,\n"
        "ben@readers.example,'=Ben,vip,\n"
        "cleo@readers.example,Cleo,active,1,2\n"
        'dora@readers.example,"Dora,active\n',
        answers=REJECT_UNKNOWN,
    )
    again = file.path = Path(f"{file.path}.rejected.csv")
    text = again.read_text(encoding="utf-8-sig")
    assert text.startswith("rejected line,rejected because,email,name,state,Notiz")
    assert file.take_in(text, answers=REJECT_UNKNOWN).rejected == 4  # as they are
    mended = (
        text.replace("ada@,", "ada@readers.example,").replace("vip", "active").replace("active,1,2", "active,1")
    ).replace('"dora@readers.example,""Dora,active"', "dora@readers.example,Dora,active")
    report = file.take_in(mended)
    assert (report.new, report.rejected) == (4, 0)
    assert list(Subscriber.objects.order_by("email").values_list("name", flat=True)) == ["=Ada", "=Ben", "Cleo", "Dora"]


def test_a_file_rejected_twice_says_once_what_is_wrong(file):
    file.take_in("email,state\nada@,active\n")
    file.path = Path(f"{file.path}.rejected.csv")
    file.take_in(file.path.read_bytes())
    assert file.rejected == [(2, "An address needs exactly one @, with text on both sides.", ["ada@", "active"])]
    with (
        importing.read(file.path, "weekly", None) as stage,
        pytest.raises(FileError, match="is the file being imported"),
    ):
        importing.apply(stage, "tests", rejected=file.path)


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


@pytest.mark.parametrize(
    "hostile",
    [
        b"email" + b"," * 1_000_000 + b"\n",
        b"email\n" + b"x" * 3_000_000,
        b"email\n" + b"\0" * 3_000_000,
        b'email\n"' + b"x\n" * 10_000,
        b"email\n" + b"," * 60_000 + b"\n",
    ],
    ids=["a million columns", "one endless line", "nothing but NUL", "an open quotation mark", "a wide row"],
)
def test_a_hostile_file_makes_no_reader_and_no_trouble(file, hostile: bytes):
    with contextlib.suppress(FileError):
        assert file.take_in(hostile, state="active").new == 0
    assert Subscriber.objects.count() == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1]", "not a JSON object"),
        (b'{"email": ', "not JSON"),
        (b'{"email": "a\\u0000@readers.example"}', "NUL"),
        (b'{"email": "' + b"x" * 70_000 + b'"}', "longer than"),
        (b"[" * 5000, "not JSON"),
        (b'{"email": {"a": 1}}', "address"),
    ],
)
def test_a_bad_json_line_spoils_only_itself(file, line: bytes, reason: str):
    file.path = file.path.with_suffix(".jsonl")
    good = b'{"email": "ada@readers.example", "name": null, "subscribed_to_emails": true}\n'
    report = file.take_in(good + line + b"\n" + good.replace(b"ada", b"ben"))
    assert (report.new, report.rejected) == (2, 1)
    assert reason in file.rejected[0][1]
