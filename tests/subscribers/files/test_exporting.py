"""Any spreadsheet can open an export, and an import reads it back without loss."""

import io

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from subscribers import optin
from subscribers.addresses import AddressError, clean_name
from subscribers.files import csv_records, exporting
from subscribers.files.importing import import_csv
from subscribers.models import Subscriber, Suppression
from tests import readers
from tests.readers import ADA, BEN, CLEO, DORA

pytestmark = pytest.mark.django_db

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "'=1", "''=1", "'quoted'", "'", "李=雷", 'a"b', "a,b;c"]


def test_what_a_spreadsheet_would_calculate_is_exported_as_text():
    for cell in (*FORMULAS[:5], "\tx", "\rx"):
        assert csv_records.formula_safe(cell) == f"'{cell}"
    assert csv_records.formula_safe("Ada") == "Ada"


@given(st.text(max_size=40) | st.sampled_from(FORMULAS))
def test_neutralising_a_formula_can_always_be_undone(cell: str):
    assert csv_records.formula_restored(csv_records.formula_safe(cell)) == cell
    assert not csv_records.formula_safe(cell).startswith(("=", "+", "-", "@", "\t", "\r", "＝"))


def cleaned(name: str) -> str:
    try:
        return clean_name(name)
    except AddressError:
        return ""


@hypothesis_settings(max_examples=20)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z=+'|-]{1,12}", fullmatch=True),
        st.tuples(
            (st.text(max_size=30) | st.sampled_from(FORMULAS)).map(cleaned),
            st.sampled_from(["active", "pending", "unsubscribed"]),
            st.sampled_from(["", "en", "zh-hans"]),
            st.sampled_from(["", "bounce", "complaint", "manual"]),
            st.sampled_from(["", '{"confirmed_at": "2019-01-02T03:04:05+00:00", "source": "=1+1, \'fair\'"}']),
        ),
        max_size=6,
    ),
    st.sampled_from(["csv", "jsonl"]),
)
def test_an_export_is_imported_back_unchanged(tmp_path, people, form):
    empty()
    for local, (name, state, language, suppressed, claimed) in people.items():
        who = readers.Named(name, f"{local}@readers.example")
        (reader,) = readers.imported("weekly", (who, state, claimed), language=language)
        if suppressed:
            optin.suppress(reader.suppression_hash, suppressed, readers.LINK)
    before = held()
    exported = io.StringIO(newline="")
    write = exporting.write_csv if form == "csv" else exporting.write_jsonl
    assert write(exported, "weekly") == len(people)
    path = tmp_path / f"export.{form}"
    path.write_text(exported.getvalue(), newline="")
    empty()
    if form == "csv" or people:
        assert import_csv(path, "weekly", None, "export").rejected == 0
    assert held() == before


def empty() -> None:
    Subscriber.objects.all().delete()
    Suppression.objects.all().delete()


def held() -> list[tuple[str, ...]]:
    """Return everything that an export says, except the source where there was none: it is the file now."""
    return sorted(
        tuple((row | {"source": row["source"].removeprefix("export")}).values()) for row in exporting.rows(None)
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
