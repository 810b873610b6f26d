"""Archives are opened, workbooks are refused with advice, and lists are read in the forms that people have."""

import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from subscribers import staged
from subscribers.files import archives, importing, json_lines, staging, unread_columns
from subscribers.files.archives import FileError
from subscribers.models import Subscriber, Subscription
from tests import readers
from tests.readers import ADA, BEN, CLEO

pytestmark = pytest.mark.django_db
LIST = f"email,state\n{ADA.email},active\n{BEN.email},unsubscribed\n".encode()
GZIPPED = gzip.compress(LIST)


def zipped(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def states() -> dict[str, str]:
    return dict(Subscription.objects.order_by("subscriber__email").values_list("subscriber__email", "state"))


@pytest.mark.parametrize(
    "content",
    [GZIPPED, zipped({"a/people.csv": LIST, "__MACOSX/._people.csv": b"x", "a/b.png": b"y"})],
    ids=["gzip", "zip"],
)
def test_the_one_list_in_an_archive_is_read(file, content: bytes):
    assert file.take_in(content).new == 2
    assert states() == {ADA.email: "active", BEN.email: "unsubscribed"}


def test_the_name_of_the_list_counts_that_of_its_archive_does_not(file):
    file.take_in(zipped({"unsubscribed_audience.csv": f"email\n{ADA.email}\n".encode()}))
    assert states() == {ADA.email: "unsubscribed"}


def test_json_lines_in_an_archive_are_read(file):
    file.take_in(gzip.compress(f'{{"email": "{ADA.email}", "state": "active"}}\n'.encode()))
    assert states() == {ADA.email: "active"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped({"b.csv": LIST, "c.csv": LIST}), r"holds 2 lists.*import each: b\.csv, c\.csv"),
        (zipped({"readme.md": b"x"}), "without a list in it"),
        (zipped({"xl/workbook.xml": b"", "[Content_Types].xml": b""}), "is a spreadsheet.*CSV UTF-8"),
        (zipped({"content.xml": b""}), "is a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "spreadsheet of an older Excel"),
        (b"PK\x03\x04" + b"\1" * 100, "cannot be unpacked.*by hand"),
        (GZIPPED[:-9], "cannot be unpacked"),
        (GZIPPED[:12] + b"garbage" * 9, "cannot be unpacked"),
    ],
    ids=["two lists", "no list", "xlsx", "ods", "xls", "broken zip", "cut gzip", "broken gzip"],
)
def test_what_holds_no_single_list_is_refused_with_what_to_do(file, content: bytes, message: str):
    with pytest.raises(FileError, match=message):
        file.take_in(content, state="active")
    assert not Subscriber.objects.exists()


def test_a_bomb_is_put_out(file, monkeypatch):
    monkeypatch.setattr(archives, "MOST_UNPACKED", 3 << 20)
    monkeypatch.setattr(archives, "MOST_TIMES", 10_000)
    for content in (gzip.compress(b"x" * (5 << 20)), zipped({"people.csv": b"x" * (5 << 20)})):
        with pytest.raises(FileError, match="unpacks to more than 3 MB"):
            file.take_in(content)


def test_line_breaks_that_unpack_to_a_thousand_times_their_size_are_refused_at_once(file):
    empty = b"email,state\n" + b"\n" * (17 << 20)
    for content in (gzip.compress(empty), zipped({"people.csv": empty})):
        with pytest.raises(FileError, match=r"more than 100 times its size, .* unpack it by hand and import that"):
            file.take_in(content, state="active")


@pytest.mark.parametrize(
    "content",
    [
        f'"sep=;"\r\nemail;state\r\n{ADA.email};active\r\n',
        f"Subscribers of The Weekly, 2024\n\nemail;state\n{ADA.email};active\n",
        f"\r\n\r\nemail;state\r\n\r\n{ADA.email};active\r\n\r\n,,\r\n;;\r\n",
        f"\u200bemail\u00a0,state\n\u00a0{ADA.email}\u200b,\u00a0active\ufeff\n",
        f"Adresse e-mail;Prénom;Nom;Statut\n{ADA.email};Ada;L;Abonné\n",
        f"Emailadresse,Vorname,Status\n{ADA.email},Ada,aktiv\n",
        f"Dirección de correo electrónico,Estado\n{ADA.email},Suscrito\n",
        f"电子邮件地址,状态\n{ADA.email},已订阅\n",
    ],
)
def test_lists_are_read_as_people_have_them(file, content: str):
    assert file.take_in(content).rejected == 0
    assert states() == {ADA.email: "active"}


def test_a_line_of_a_reader_is_never_passed_over_as_a_title(file):
    with pytest.raises(FileError, match="contains an address"):
        file.take_in(f"{ADA.email},unsubscribed\nemail,state\n{BEN.email},active\n")


def test_lists_of_names_and_addresses_as_mailman_prints_them_are_read(file):
    lines = [f"Ada Lovelace <{ADA.email}>", BEN.email, f'"Cleo, the third" <{CLEO.email}>', "no address <x@>"]
    report = file.take_in("\n".join(lines), state="active")
    assert (report.new, report.rejected) == (3, 1)
    assert Subscriber.objects.get(email=CLEO.email).name == "Cleo, the third"
    Subscriber.objects.all().delete()
    assert file.take_in("\n".join(reversed(lines[:3])), state="active").new == 3


@pytest.mark.parametrize("indent", ["", "\n  "])
def test_a_json_array_is_read_object_by_object(file, indent: str):
    objects = [f'{{{indent}"email": "r{number}@readers.example", "state": "active"}}' for number in range(3000)]
    objects += [f'{{"email": "{ADA.email}",{indent}"state": "unsubscribed"}}', '"no object"']
    report = file.take_in(f"[{indent}" + f",{indent}".join(objects) + "\n]\n")
    assert (report.new, report.rejected) == (3001, 1)
    assert states()[ADA.email] == "unsubscribed"


def test_a_json_array_that_breaks_off_imports_nothing(file):
    with pytest.raises(FileError, match=r"people\.csv:3 the JSON array cannot be read from here on"):
        file.take_in(f'[{{"email": "{ADA.email}", "state": "active"}},\n\n{{"email": ')
    assert not Subscriber.objects.exists()


def test_an_array_that_is_nested_to_hurt_is_refused(file):
    file.path = file.path.with_suffix(".json")
    for hostile in ("[" * 100_000, '[{"a":' * 50_000, "[" + "x" * 300_000):
        with pytest.raises(FileError, match="cannot be read from here on"):
            file.take_in(hostile)


def test_memory_does_not_grow_with_rows_that_only_restrict_nor_with_an_array(tmp_path: Path, monkeypatch):
    sizes = (
        (staging, "CHUNK", 100),
        (staged, "AT_ONCE", 100),
        (unread_columns, "BATCH", 100),
        (json_lines, "PIECE", 4096),
    )
    for module, name, size in sizes:
        monkeypatch.setattr(module, name, size)
    monkeypatch.setattr(staging, "EXAMPLES", 100)
    peaks = []
    for count in (50, 1500):  # the first one fills the caches
        path = tmp_path / "people.json"
        rows = (f'{{"email": "Ada <r{n}@readers.example>", "state": "unsubscribed"}},\n' for n in range(count))
        path.write_text("[" + "".join(rows) + '{"email": "last@readers.example", "state": "active"}]')
        tracemalloc.start()
        with importing.read(path, "weekly", None) as stage:
            assert (stage.leaving, stage.rejected, stage.good) == (count, count, 1)
            parts = stage.people.parts(100)
            assert sum(1 for part in parts for _ in stage.people.newcomers(part)) == count + 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 700_000  # bytes; all rows at once would take three times as much


def test_who_is_pending_here_and_active_in_the_file_is_shown_as_that(file):
    readers.pending()
    report = file.take_in(f"email,state\n{BEN.email},active\n")
    assert (report.stay_pending, report.unchanged) == (1, 0)
    assert states() == {BEN.email: "pending"}


def test_what_holds_for_every_row_is_one_line_of_the_plan(file):
    file.path.write_text("email,status\n" + "".join(f"r{number}@readers.example,\n" for number in range(9)))
    with importing.read(file.path, "weekly", None) as stage:
        (only,) = importing.plan(stage).first_rejected
    assert (only.line, only.rows) == (2, 9)
    assert "has no state" in only.reason
