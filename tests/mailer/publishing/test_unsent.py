"""An import of a folder leaves out what is still to be sent: the web must not have an issue before its subscribers."""

from datetime import date, timedelta

import pytest

from mailer.models import REHEARSAL, Send
from mailer.publishing.importing import Terms, carry_out, plan_import
from mailer.publishing.unsent import STARTER, is_sample
from mailer.store import clock
from tests.mailer.published import published

pytestmark = pytest.mark.django_db


@pytest.fixture
def write(tmp_path, settings):
    def written(slug: str, body: str = "A board."):
        path = tmp_path / f"{slug}.md"
        path.write_text(f"---\ntitle: The Weekly {slug}\n---\n{body}\n")
        return path

    (tmp_path / "newsletter.toml").write_text("")
    settings.BASE_URL = "https://news.example.com"
    return written


def plan(*paths):
    return plan_import(paths, Terms("weekly"))


def fates(planned) -> dict[str, str]:
    return {one.file.stem: one.fate.value for one in planned.planned}


def test_what_is_not_older_than_the_first_issue_sent_from_here_may_still_be_sent(write, tmp_path):
    published("2026-06-05", day=date(2026, 6, 5))
    write("2026-05-29")
    late = write("2026-06-12")
    planned = plan(tmp_path)
    assert fates(planned) == {"2026-05-29": "new", "2026-06-12": "skipped"}
    assert [one.reason for one in planned.planned if one.reason] == [
        "may still be sent: it is not older than 2026-06-05 (5 June 2026), the first issue sent from here; to import "
        f"it all the same, name {late} itself"
    ]


def test_an_issue_of_long_ago_that_is_sent_later_does_not_keep_the_archive_out(write, tmp_path):
    sent = clock.now()
    published("2026-06-05", day=date(2026, 6, 5), first_request_at=sent)
    published("2019-06-29", day=date(2019, 6, 29), first_request_at=sent + timedelta(days=1))
    write("2026-05-29")
    assert fates(plan(tmp_path)) == {"2026-05-29": "new"}


def test_a_file_that_was_imported_by_its_name_is_updated_with_its_folder(write, tmp_path):
    published("2026-06-05", day=date(2026, 6, 5))
    late = write("2026-06-12")
    carry_out(plan(late))
    assert fates(plan(tmp_path)) == {"2026-06-12": "unchanged"}
    write("2026-06-12", "A better board.")
    assert fates(plan(tmp_path)) == {"2026-06-12": "changed"}


@pytest.mark.parametrize(
    "never_sent", [{"provider": REHEARSAL}, {"first_request_at": None, "state": Send.State.CANCELLED}]
)
def test_rehearsals_and_sends_without_a_request_are_no_sends_from_here(write, tmp_path, never_sent):
    published("2026-06-05", **({"day": date(2026, 6, 5)} | never_sent))
    write("2026-06-12")
    assert fates(plan(tmp_path)) == {"2026-06-12": "new"}


@pytest.mark.parametrize(
    "sample", sorted(STARTER.rglob("issues/*.md")), ids=lambda path: str(path.relative_to(STARTER))
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_samples_of_init_are_left_out_on_whatever_day(write, tmp_path, sample, ends):
    file = write("2026-02-03")
    lines = [f"date: {date(2026, 2, 3)}" if line[:5] == "date:" else line for line in sample.read_text().split("\n")]
    file.write_bytes(ends.join(lines).encode())
    assert is_sample(file)
    planned = plan(tmp_path)
    assert fates(planned) == {"2026-02-03": "skipped"}
    assert "is the sample that `mailer init` wrote" in planned.planned[0].reason


def test_a_sample_with_words_of_ones_own_is_ones_own(write):
    file = write("2026-02-03")
    file.write_text((STARTER / "issues/hello.md").read_text() + "\nSee you on Friday.\n")
    assert not is_sample(file)
