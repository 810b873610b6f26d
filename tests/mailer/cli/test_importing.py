"""`mailer archive import` and `remove`, as an editor types them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError
from django.utils import timezone

from mailer.archive import importing, page
from mailer.content.assets.copies import Failure
from mailer.models import ArchivedIssue, Send
from mailer.publishing import remote_images
from tests.mailer.archived import archived
from tests.mailer.published import published

pytestmark = pytest.mark.django_db(transaction=True)

OLD = "---\nnewsletter: weekly\naliases: /2019/06/29/boards.html\n---\n# Boards\n\nA board of long ago.\n"
BROKEN = "---\nnewsletter: weekly\n---\n# Broken\n\n![Gone](gone.png)\n"


def test_the_plan_comes_first_and_asks(run, issue):
    file = issue(OLD, "2019-06-29.md")
    dry = run("archive", "import", file, "--dry-run")
    assert dry.code == 0
    assert dry.out.splitlines() == ["new: 1", "  2019-06-29  2019-06-29  Boards"]
    ran = run("archive", "import", file)
    assert (ran.code, "new: 1" in ran.err) == (4, True)
    assert not ArchivedIssue.objects.exists()


def test_with_a_yes_the_pages_are_there_and_the_second_time_nothing_is_done(run, issue, tmp_path):
    file = issue(OLD, "2019-06-29.md")
    ran = run("archive", "import", tmp_path, "--yes")
    assert (ran.code, ran.out) == (0, "1 new.\n")
    assert "1 page without the card" in ran.err
    assert "`mailer archive cards --newsletter weekly`" in ran.err
    assert "A board of long ago." in page("weekly", "2019-06-29").article
    assert not Send.objects.exists()
    again = run("archive", "import", file)
    assert (again.code, again.out) == (0, "Nothing to import: 1 unchanged.\n")
    assert json.loads(run("archive", "import", file, "--json").out)["imported"] is False


def test_a_file_in_a_folder_that_is_dated_today_may_still_be_sent(run, issue, tmp_path):
    today = timezone.localdate(timezone=ZoneInfo("Europe/Berlin"))
    file = issue(f"---\nnewsletter: weekly\ndate: {today}\n---\n# Hello\n\nA sample.\n", "hello.md")
    ran = run("archive", "import", tmp_path, "--yes")
    assert (ran.code, ran.out) == (0, "Nothing to import: 1 skipped.\n")
    assert f"is dated today and may still be sent; to import it all the same, name {file} itself" in ran.err
    assert run("archive", "import", file, "--yes").out == "1 new.\n"


def test_the_question_says_that_nobody_is_emailed(run, issue, terminal):
    file = issue(OLD, "2019-06-29.md")
    terminal("y\n")
    ran = run("archive", "import", file)
    assert ran.code == 0
    assert "Put 1 page into the archive of weekly? Nobody is emailed." in ran.err


@pytest.mark.parametrize("ended", [KeyboardInterrupt(), OperationalError("database is locked")])
def test_an_import_that_ends_early_says_how_far_it_came_and_goes_on(run, issue, tmp_path, monkeypatch, ended):
    issue(OLD, "2019-06-29.md")
    issue("---\nnewsletter: weekly\n---\n# Boards again\n\nAnother.\n", "2019-07-06.md")
    keep = importing.keep

    def interrupted(newsletter, rendered, *more):
        if rendered.slug == "2019-07-06":
            raise ended
        keep(newsletter, rendered, *more)

    monkeypatch.setattr(importing, "keep", interrupted)
    ran = run("archive", "import", tmp_path, "--yes")
    assert ran.code == 1
    assert "ended early, with 1 of 2 pages in the archive; run the command again for the rest." in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.undo()
    assert run("archive", "import", tmp_path, "--yes").out == "1 new, 1 unchanged.\n"


def test_a_file_with_errors_is_named_and_the_others_are_imported(run, issue, tmp_path):
    issue(OLD, "2019-06-29.md")
    issue(BROKEN, "2019-07-06.md")
    ran = run("archive", "import", tmp_path, "--yes")
    assert ran.code == 3
    assert "2019-07-06.md:6:1 image-missing" in ran.err
    assert "1 file cannot be imported" in ran.err
    assert [one.slug for one in ArchivedIssue.objects.all()] == ["2019-06-29"]


def test_json_names_each_file(run, issue, tmp_path):
    issue(OLD, "2019-06-29.md")
    issue(BROKEN, "2019-07-06.md")
    ran = run("archive", "import", tmp_path, "--yes", "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["imported"], told["without_card"]) == (3, True, 1)
    assert (told["counts"]["new"], told["counts"]["refused"]) == (1, 1)
    first, second = told["issues"]
    assert (first["fate"], first["slug"], first["date"]) == ("new", "2019-06-29", "2019-06-29")
    assert first["url"].endswith("/archive/2019-06-29/")
    assert first["aliases"] == ["/2019/06/29/boards.html"]
    assert [one["rule"] for one in second["findings"]] == ["image-missing"]


def test_a_long_plan_is_cut_and_says_so(run, issue, tmp_path):
    for day in range(1, 29):
        issue(OLD.replace("/2019/06/29/boards.html", f"/b{day}"), f"2019-06-{day:02}.md")
    ran = run("archive", "import", tmp_path, "--dry-run")
    assert ran.out.startswith("new: 28 (2019-06-01 to 2019-06-28)\n")
    assert "and 9 more; --json names all" in ran.out
    assert len(ran.out.splitlines()) == 21


def test_a_removed_page_is_asked_about_and_comes_back_by_an_import(run, issue):
    file = issue(OLD, "2019-06-29.md")
    run("archive", "import", file, "--yes")
    assert run("archive", "remove", "2019-06-29", "--newsletter", "weekly").code == 4
    ran = run("archive", "remove", "2019-06-29", "--newsletter", "weekly", "--yes")
    assert (ran.code, "/archive/2019-06-29/ is removed" in ran.out) == (0, True)
    assert page("weekly", "2019-06-29") is None
    again = run("archive", "remove", "2019-06-29", "--newsletter", "weekly", "--yes", "--json")
    assert (again.code, json.loads(again.out)["removed"]) == (0, True)
    skipped = run("archive", "import", file, "--yes")
    assert "add --restore to put it back" in skipped.err
    assert run("archive", "import", file, "--yes", "--restore").code == 0
    assert page("weekly", "2019-06-29")


def test_there_must_be_a_page_to_remove(run):
    ran = run("archive", "remove", "2019-06-29", "--newsletter", "weekly", "--yes")
    assert (ran.code, "mailer archive list" in ran.err) == (2, True)


def test_the_page_of_a_sent_issue_comes_back_by_an_update(run, issue):
    published("2026-11-20", base_url="http://127.0.0.1:8000")
    file = issue("---\nnewsletter: weekly\n---\n# The Weekly 2026-11-20\n\nA board.\n")
    run("archive", "update", file, "--yes")
    run("archive", "remove", "2026-11-20", "--newsletter", "weekly", "--yes")
    ran = run("archive", "update", file, "--yes")
    assert (ran.code, "is there again" in ran.out) == (0, True)
    assert page("weekly", "2026-11-20")


def test_an_imported_page_is_updated_by_another_import(run, issue):
    file = issue(OLD, "2019-06-29.md")
    run("archive", "import", file, "--yes")
    ran = run("archive", "update", file, "--yes")
    assert (ran.code, "mailer archive import" in ran.err) == (1, True)


def test_the_list_has_both_kinds(run):
    archived("2019-06-29")
    published("2026-11-20")
    ran = run("archive", "list", "--newsletter", "weekly", "--json")
    assert [(one["slug"], one["imported"], one["date"]) for one in json.loads(ran.out)] == [
        ("2026-11-20", False, "2026-11-20"),
        ("2019-06-29", True, "2019-06-29"),
    ]


def test_days_are_those_of_the_newsletters_time_zone(run, terminal):
    published("2026-06-01", newsletter="jianbao", first_request_at=datetime(2026, 6, 1, 23, 30, tzinfo=UTC))
    ran = run("archive", "list", "--newsletter", "jianbao", "--json")
    assert json.loads(ran.out)[0]["date"] == "2026-06-02"
    terminal("n\n")
    assert "(2 June 2026)" in run("archive", "remove", "2026-06-01", "--newsletter", "jianbao").err


def test_sending_an_imported_issue_is_refused_before_anything_is_asked(run, issue):
    archived("2019-06-29")
    file = issue(OLD, "2019-06-29.md")
    for command in (("--dry-run",), ("--yes",)):
        ran = run("send", "issue", file, *command)
        assert ran.code == 1
        assert "2019-06-29 was imported into the archive" in ran.err
        assert "--old-date" not in ran.err
    assert "was imported" not in run("send", "issue", file, "--dry-run", "--mail-archived").err


def test_images_that_were_not_copied_are_named(run, issue, tmp_path, settings, monkeypatch):
    copying = replace(settings.NEWSLETTERS["weekly"], remote_images="copy", folder=tmp_path)
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": copying}
    why = Failure("the site did not answer", "try again later")
    monkeypatch.setattr(remote_images, "copy_images", lambda *given: {"https://img.example/a.png": why})
    file = issue(f"{OLD}\n![A board](https://img.example/a.png)\n", "2019-06-29.md")
    dry = run("archive", "import", file, "--dry-run")
    assert dry.out.splitlines()[2:] == [
        "not copied: 1 remote image, which pages load from the image's own site",
        "  https://img.example/a.png the site did not answer",
    ]
    told = json.loads(run("archive", "import", file, "--dry-run", "--json").out)
    assert told["uncopied"] == {"https://img.example/a.png": "the site did not answer"}
