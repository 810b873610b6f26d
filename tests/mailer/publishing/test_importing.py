"""Issues that were published elsewhere get their pages: planned first, and only what changed the next time."""

import pickle
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailer.archive import entries, page
from mailer.archive.aliases import slug_behind
from mailer.archive.removing import remove
from mailer.models import ArchivedIssue, Media, Send
from mailer.publishing import importing, remote_images
from mailer.publishing.cards import keep_card
from mailer.publishing.errors import CorrectSettings, RunAgain
from mailer.publishing.importing import Terms, carry_out, plan_import
from mailer.publishing.sources import sources_of
from mailer.store import page_images
from tests.mailer.archived import archived
from tests.mailer.published import published
from tests.mailer.quality.mails import ARCHIVE, NO_ARCHIVE

pytestmark = pytest.mark.django_db
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63606060f80f0001040100"
    "5fe5c34b0000000049454e44ae426082"
)


@pytest.fixture
def write(tmp_path, settings):
    """Write an issue into the newsletter's folder: `write("2019-06-29", "Text")`."""

    def written(name: str, body: str = "A board.", front: str = ""):
        path = tmp_path / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"---\ntitle: The Weekly {path.stem}\n{front}\n---\n{body}\n")
        return path

    (tmp_path / "newsletter.toml").write_text("")
    settings.BASE_URL = "https://news.example.com"
    return written


@pytest.fixture
def planned(tmp_path):
    def made(*paths, **terms):
        return plan_import(paths or [tmp_path], Terms("weekly", **terms))

    return made


def fates(plan) -> dict[str, str]:
    return {one.file.stem: one.fate.value for one in plan.planned}


def brought(plan) -> dict[str, str]:
    carry_out(plan)
    return fates(plan)


def test_new_issues_get_their_pages_and_nobody_is_mailed(write, planned):
    write("2019-06-29", "A board.\n\n## News\n\nSmall.", "number: 7\npreheader: Boards\nlanguage: de")
    plan = planned()
    assert (fates(plan), entries("weekly")) == ({"2019-06-29": "new"}, []), "a plan writes nothing"
    carry_out(plan)
    shown = page("weekly", "2019-06-29")
    assert "<h2" in shown.article
    entry = shown.entry
    assert (entry.title, entry.preheader, entry.number, entry.language) == (
        "The Weekly 2019-06-29",
        "Boards",
        "7",
        "de",
    )
    assert entry.dated.isoformat() == "2019-06-29"
    assert entry.imported
    assert not Send.objects.exists()


def test_the_second_time_only_what_changed_is_updated(write, planned):
    write("2019-06-29")
    write("2019-07-06")
    assert brought(planned()) == {"2019-06-29": "new", "2019-07-06": "new"}
    assert planned().kept == []
    write("2019-07-06", "A better board.")
    write("2019-06-29", front="aliases: /old/29.html")
    before = ArchivedIssue.objects.get(slug="2019-06-29")
    assert brought(planned()) == {"2019-06-29": "changed", "2019-07-06": "changed"}
    assert "better" in page("weekly", "2019-07-06").article
    assert ArchivedIssue.objects.get(slug="2019-07-06").updated_at
    again = ArchivedIssue.objects.get(slug="2019-06-29")
    assert (again.updated_at, again.imported_at) == (None, before.imported_at), "its page says the same"
    assert planned().kept == []


def test_a_source_that_changed_is_imported_anew_although_its_page_says_the_same(write, planned, tmp_path, settings):
    write("2019-06-29")
    carry_out(planned())
    write("2019-06-29", front="# A note of the editor's")
    assert brought(planned()) == {"2019-06-29": "changed"}
    assert ArchivedIssue.objects.get().updated_at is None, "no reader sees a change"
    assert sources_of(settings.NEWSLETTERS["weekly"], tmp_path).missing == ()
    assert planned().kept == []


def test_images_come_along_and_those_that_are_not_there_block(write, planned, tmp_path):
    (tmp_path / "board.png").write_bytes(PNG)
    write("2019-06-29", "![A board](board.png)")
    write("2019-07-06", "![A board](gone.png)")
    plan = planned()
    assert brought(plan) == {"2019-06-29": "new", "2019-07-06": "refused"}
    (image,) = Media.objects.filter(width=1)
    assert f"/media/{image.sha256}.png" in page("weekly", "2019-06-29").article
    (refused,) = plan.of(importing.Fate.REFUSED)
    assert refused.findings[0].rule == "image-missing"
    assert page("weekly", "2019-07-06") is None


def test_links_between_issues_lead_to_their_pages_whatever_the_files_are_called(write, planned, settings):
    write("2019-06-29-boards", "A board.", "slug: boards\naliases: /2019/06/29/boards.html")
    write("2019-07-06", "[file](2019-06-29-boards.md), [site](/2019/06/29/boards.html#top), [next](2019-07-13.md)")
    write("2019-07-13", "[self](2019-07-13.md)")
    assert set(brought(planned()).values()) == {"new"}
    article = page("weekly", "2019-07-06").article
    for target in ("boards/", "boards/#top", "2019-07-13/"):
        assert f'href="{settings.BASE_URL}/archive/{target}"' in article


def test_back_issues_are_those_of_the_archive_before_it(write, planned):
    archived("2019-06-22", subject="Long ago")
    write("2019-06-29", "<!-- back issues -->")
    write("2019-07-06", "<!-- back issues -->")
    carry_out(planned())
    assert "Long ago" in page("weekly", "2019-06-29").article
    assert "The Weekly 2019-07-06" not in page("weekly", "2019-06-29").article
    assert "The Weekly 2019-06-29" in page("weekly", "2019-07-06").article


def test_what_was_sent_or_will_be_is_skipped_and_a_send_that_came_to_nothing_is_not(write, planned):
    published("2019-06-29")
    published("2019-07-06", state="scheduled", first_request_at=None)
    published("2019-07-13", state="cancelled", first_request_at=None)
    published("2019-07-20", provider="rehearsal")
    for slug in ("2019-06-29", "2019-07-06", "2019-07-13", "2019-07-20"):
        write(slug)
    plan = planned()
    assert fates(plan) == {
        "2019-06-29": "skipped",
        "2019-07-06": "skipped",
        "2019-07-13": "new",
        "2019-07-20": "new",
    }
    first, second = plan.of(importing.Fate.SKIPPED)
    assert "mailer archive update" in first.reason
    assert "planned as a send (scheduled)" in second.reason


def test_drafts_issues_to_come_and_files_without_a_day_are_left_alone(write, planned):
    write("2019-06-29", front="draft: true")
    write("2999-01-01")
    write("2999-01-02-paid", front="date: 2019-07-06\nemail_type: premium")
    readme = write("README-of-all")
    plan = planned()
    assert set(fates(plan).values()) == {"skipped"}
    assert [one.reason.split(",")[0] for one in plan.planned] == [
        "is a draft",
        "is dated 1 January 2999",
        "was not for everybody (email_type: premium)",
        "has no date",
    ]
    (named,) = planned(readme).planned
    assert (named.fate.value, "date: 2019-06-29" in named.reason) == ("refused", True)


def test_an_issue_whose_date_cannot_be_read_is_refused_with_what_to_write(write, planned):
    write("fair", front="date: 29.06.2019")
    write("fete", front="date: June, some time")
    write("not-yet", front='date: "9999-99-99"')
    plan = planned()
    assert fates(plan) == {"fair": "refused", "fete": "refused", "not-yet": "skipped"}
    assert [one.reason.partition("; ")[2] for one in plan.of(importing.Fate.REFUSED)] == [
        "write it as 2019-06-29",
        "write year, month and day, such as 2019-06-29",
    ]


def test_a_file_that_cannot_be_read_does_not_keep_others_away(write, planned, tmp_path):
    write("2019-06-29")
    (tmp_path / "2019-07-06.md").write_text("---\ntags: [open\n---\n")
    plan = planned()
    assert brought(plan) == {"2019-06-29": "new", "2019-07-06": "refused"}
    assert plan.planned[1].findings[0].rule == "front-matter"


def test_a_link_to_the_settings_is_not_published_as_an_issue(write, planned, tmp_path):
    write("old/2019-06-29")
    (tmp_path / ".env").write_text("# Settings of a server\n\nSECRET_KEY=x\n")
    (tmp_path / "old" / "2019-07-06.md").symlink_to("../.env")
    plan = planned(tmp_path / "old")
    assert fates(plan) == {"2019-06-29": "new", "2019-07-06": "refused"}
    (refused,) = plan.of(importing.Fate.REFUSED)
    assert str(tmp_path / ".env") in refused.reason


def test_one_slug_is_one_file(write, planned):
    write("2019-06-29")
    write("more/2019-06-29")
    first, second = planned().planned
    assert (first.fate.value, second.fate.value) == ("new", "refused")
    assert str(first.file) in second.reason


def test_former_addresses_are_known_and_go_when_the_file_drops_them(write, planned):
    write("2019-06-29", front="aliases: [/2019/06/29/title.html, old-slug, /archive/older/]")
    carry_out(planned())
    for address in ("/2019/06/29/title.html", "old-slug", "older"):
        assert slug_behind("weekly", address) == "2019-06-29"
    write("2019-06-29", front="aliases: /2019/06/29/title.html")
    carry_out(planned())
    assert slug_behind("weekly", "old-slug") is None


def test_a_former_address_moves_from_one_file_to_another_in_one_import(write, planned):
    for old, new in (("2019-06-29", "2019-07-06"), ("2019-07-06", "2019-06-29")):
        write(old, front="aliases: /old.html")
        write(new)
        assert "refused" not in brought(planned()).values()
        assert slug_behind("weekly", "/old.html") == old
        assert planned().kept == []


@pytest.mark.parametrize(("body", "fate"), [("A board.", "skipped"), ("![Gone](gone.png)", "refused")])
def test_a_former_address_leaves_a_file_that_is_not_imported_this_time(write, planned, body, fate):
    write("2019-06-29", front="aliases: /old.html")
    carry_out(planned())
    remove("weekly", "2019-06-29")
    write("2019-06-29", body)
    write("2019-07-06", front="aliases: /old.html")
    assert brought(planned()) == {"2019-06-29": fate, "2019-07-06": "new"}
    assert slug_behind("weekly", "/old.html") == "2019-07-06"


def test_one_path_is_not_given_to_two_newsletters(write, tmp_path):
    write("2019-06-29", front="newsletter: weekly\naliases: /old.html")
    write("2019-07-06", front="newsletter: jianbao\naliases: /old.html")
    plan = plan_import([tmp_path], Terms())
    assert fates(plan) == {"2019-06-29": "new", "2019-07-06": "refused"}
    assert '"/old.html", which leads to' in plan.planned[1].reason


def test_a_removed_page_stays_removed_unless_it_is_asked_back(write, planned):
    write("2019-06-29")
    carry_out(planned())
    remove("weekly", "2019-06-29")
    plan = planned()
    assert fates(plan) == {"2019-06-29": "skipped"}
    assert "--restore" in plan.planned[0].reason
    assert brought(planned(restore=True)) == {"2019-06-29": "restored"}
    assert page("weekly", "2019-06-29")


def test_findings_may_be_ignored_and_rules_of_mail_alone_do_not_count(write, planned):
    write("2019-06-29", "[Later](/old/page.html)\n\n" + "A long board of words. " * 6000)
    assert fates(planned(ignored=frozenset({"relative-left"}))) == {"2019-06-29": "new"}


def test_a_page_that_is_there_is_not_refused_the_next_time_for_what_was_ignored(write, planned):
    write("2019-06-29", "![Gone](gone.png)")
    carry_out(planned(ignored=frozenset({"image-missing"})))
    assert fates(planned()) == {"2019-06-29": "unchanged"}
    write("2019-06-29", "![Gone](gone.png), and more.")
    assert fates(planned()) == {"2019-06-29": "refused"}


def test_ten_times_as_many_files_ask_the_database_no_more_often_before_they_are_kept(write, planned):
    def queries(files: int) -> int:
        for number in range(files):
            write(f"2019-06-{number + 1:02}", f"Text {number}", f"aliases: /old/{number}.html")
        with CaptureQueriesContext(connection) as asked:
            planned()
        return len(asked)

    assert queries(2) == queries(20)


def test_a_page_is_kept_with_as_many_parameters_however_many_are_imported_with_it(write, planned):
    def longest(day: int, files: int) -> int:
        for number in range(files):
            write(f"2019-{day:02}-{number + 1:02}", f"Text {number}", f"aliases: /old/{day}-{number}.html")
        plan = planned()
        with CaptureQueriesContext(connection) as asked:
            carry_out(plan)
        return max(one["sql"].count("2019-") for one in asked if "mailer_alias" in one["sql"])

    assert longest(6, 2) == longest(7, 20)


def test_a_plan_holds_the_text_of_no_file(write, planned):
    write("2019-06-29", "A very long text.")
    assert b"very long" not in pickle.dumps(planned().planned)


def test_a_file_that_changes_after_the_plan_was_shown_is_not_imported(write, planned):
    file = write("2019-06-29")
    plan = planned()
    file.write_text(file.read_text() + "Not shown.\n")
    with pytest.raises(RunAgain, match="changed in the meantime"):
        carry_out(plan)
    file.unlink()
    with pytest.raises(RunAgain, match="changed in the meantime"):
        carry_out(plan)
    assert entries("weekly") == []


def test_pages_of_a_public_newsletter_do_not_point_to_a_laptop(write, planned, settings):
    published("2019-06-29", base_url="https://news.example.com")
    write("2019-07-06")
    settings.BASE_URL = "http://127.0.0.1:8000"
    with pytest.raises(CorrectSettings, match="BASE_URL"):
        planned()


def test_a_command_that_is_killed_after_a_page_leaves_it_with_its_new_card(write, planned, monkeypatch, settings):
    write("2019-06-29")
    carry_out(planned())
    assert keep_card(settings.NEWSLETTERS["weekly"], "2019-06-29", "A former title", "en")
    before = page_images.card("weekly", "2019-06-29")
    write("2019-06-29", "A better board.")

    def killed(*kept):
        keep(*kept)
        raise KeyboardInterrupt

    keep = importing.importing.keep
    monkeypatch.setattr(importing.importing, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        carry_out(planned())
    assert page_images.card("weekly", "2019-06-29") != before


def test_an_address_that_another_command_took_meanwhile_stops_the_import(write, planned):
    write("2019-06-29", front="aliases: /old.html")
    plan = planned()
    other = write("2019-07-06", front="aliases: /old.html")
    carry_out(planned(other))
    with pytest.raises(RunAgain, match="run the command again"):
        carry_out(plan)


def test_remote_images_are_copied_only_where_the_newsletter_copies(write, planned, settings, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(remote_images, "copy_images", lambda *given: asked.append(list(given[2])) or {})
    write("2019-06-29", "![A board](https://img.example/a.png)")
    assert fates(planned()) == {"2019-06-29": "new"}
    assert asked == []
    copying = replace(settings.NEWSLETTERS["weekly"], remote_images="copy", folder=tmp_path)
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": copying}
    assert fates(planned()) == {"2019-06-29": "new"}
    assert asked == [["https://img.example/a.png"]]


@pytest.mark.skipif(not ARCHIVE.is_dir(), reason=NO_ARCHIVE)
def test_real_archives_are_imported_whole(settings):
    issues = sorted(ARCHIVE.glob("*/*.md")) + sorted(ARCHIVE.glob("*/embedded-ai-report/*.md"))
    dated = [path for path in issues if path.name[:2] in ("20", "en", "ja", "de")]
    plan = plan_import(dated, Terms("weekly"))
    refused = {one.file.name: one.reason or one.findings for one in plan.of(importing.Fate.REFUSED)}
    assert refused == {}
    assert len(plan.kept) == len(dated) == 20
    carry_out(plan)
    assert len(entries("weekly")) == 20
    assert plan_import(dated, Terms("weekly")).kept == []
