"""Each service's export means here what it meant there, and however broken a row is, nobody whom it says to leave alone
is mailed because of another one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from subscribers.files.importing import Answers, import_csv
from subscribers.models import Subscriber, Subscription, Suppression
from tests.subscribers.files.services import EXPORTS, Export

pytestmark = pytest.mark.django_db
CONTROL = "control@readers.example"  # who left nothing


def became() -> dict[str, str]:
    reasons = dict(Suppression.objects.values_list("hash", "reason"))
    found = Subscription.objects.select_related("subscriber").order_by("subscriber__email")
    return {one.subscriber.email: reasons.get(one.subscriber.suppression_hash, one.state) for one in found}


def take_in(folder: Path, export: Export, lines: list[str], answers: Answers = Answers()) -> None:  # noqa: B008 — frozen
    path = folder / export.name
    path.write_text("\n".join([export.heading, *lines, ""]), "utf-8")
    import_csv(path, "weekly", export.state, "tests", answers)


@pytest.mark.parametrize("service", EXPORTS)
def test_each_row_of_a_services_export_is_what_it_was_there(tmp_path, service: str):
    export = EXPORTS[service]
    lines = [row.format(who=f"r{number}@readers.example") for number, row in enumerate(export.rows)]
    take_in(tmp_path, export, lines)
    assert list(became().values()) == list(export.rows.values())


Defect = Callable[[list[str], int, int], list[str]]  # cells, where the address is, where a free cell is → cells


def in_the_free_cell(text: str) -> Defect:
    return lambda cells, _, free: [*cells[:free], text, *cells[free + 1 :]]


def around_the_address(text: str) -> Defect:
    return lambda cells, email, _: [*cells[:email], text.format(cells[email]), *cells[email + 1 :]]


DEFECTS: dict[str, Defect] = {
    "none": lambda cells, email, free: cells,
    "long name": in_the_free_cell("x" * 300),
    "control character": in_the_free_cell("A\x07da"),
    "NUL": in_the_free_cell("A\0da"),
    "unescaped quote": in_the_free_cell('"Ada "the" Countess"'),
    "quote that is not closed": in_the_free_cell('"Ada'),
    "lines in a cell": in_the_free_cell('"Ada\nLovelace"'),
    "endless cell": in_the_free_cell("x" * 70_000),
    "unescaped separator": in_the_free_cell("Lovelace, Ada"),
    "a cell too many at the end": lambda cells, email, free: [*cells, "more"],
    "a cell too few": lambda cells, email, free: [*cells[:free], *cells[free + 1 :]],
    "name around the address": around_the_address("Ada Lovelace <{}>"),
    "mailto": around_the_address("mailto:{}"),
    "full stop": around_the_address("{}."),
    "zero-width space": around_the_address("\u200b{}\u200b"),
    "soft hyphen in the address": lambda cells, email, free: [
        cell.replace("@", "\u00ad@") if place == email else cell for place, cell in enumerate(cells)
    ],
    "two addresses": around_the_address("{};second@readers.example"),
    "capitals": lambda cells, email, free: [cell.upper() for cell in cells],
    "spaces around every cell": lambda cells, email, free: [f" \u00a0{cell}\u200b" for cell in cells],
}


@pytest.mark.parametrize("service", EXPORTS)
def test_nobody_is_mailed_whom_a_broken_row_says_to_leave_alone(tmp_path, service: str):
    """Of each person there are a row that says active, where the service has one, and a broken one before or after."""
    export = EXPORTS[service]
    active = [row for row, state in export.rows.items() if state == "active"]
    gone = [row for row, state in export.rows.items() if state != "active"]
    for defect, breaking in DEFECTS.items():
        first, good, last = list[str](), [row.format(who=CONTROL) for row in active], list[str]()
        for number, row in enumerate(gone):
            for lines, who in ((first, f"first{number}@readers.example"), (last, f"last{number}@readers.example")):
                cells = row.format(who=who).split(",")
                lines.append(",".join(breaking(cells, cells.index(who), export.free)))
                good += [other.format(who=who) for other in active]
        take_in(tmp_path, export, [*first, *good, *last], Answers(reject_unknown=True))
        mailed = [who for who, state in became().items() if state == "active"]
        assert mailed == ([CONTROL] if active else []), defect
        Subscriber.objects.all().delete()
        Suppression.objects.all().delete()
