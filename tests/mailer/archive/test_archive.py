"""Which issues have a page, in which order, and what a correction changes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from mailer.archive import archive_root, before, entries, is_removed, newest, page, pages
from mailer.archive import shown as said
from mailer.archive.correcting import changes, correct
from mailer.models import Batch, Media, RemovedPage, Send
from mailer.providers.answers import Accepted
from mailer.sending.outcomes import leave_unknown
from mailer.sending.settling import settle
from tests import readers
from tests.mailer.archived import archived
from tests.mailer.published import published
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db


def shown() -> list[str]:
    return [entry.slug for entry in entries("weekly")]


@pytest.fixture
def planned(settings, tmp_path) -> Send:
    """Return a real send with one batch that nobody has claimed."""
    settings.PROVIDER, settings.HOME = "127.0.0.1", tmp_path
    readers.confirmed()
    return outgoing.planned()


def test_an_issue_has_a_page_from_its_first_accepted_request_on(planned: Send):
    assert shown() == []
    taken = outgoing.claimed(planned)
    assert shown() == [], "a request may still be refused"
    settle(taken, Accepted("1"))
    assert shown() == [planned.slug]


def test_a_request_whose_outcome_is_unknown_shows_nothing_yet(planned: Send):
    leave_unknown(outgoing.claimed(planned).attempt, "the connection broke")
    assert shown() == []


@pytest.mark.parametrize("state", ["scheduled", "paused", "cancelled"])
def test_what_stopped_before_any_request_has_no_page(planned: Send, state: str):
    Send.objects.update(state=state)
    assert shown() == []
    assert page("weekly", planned.slug) is None


def test_what_stopped_after_some_readers_got_it_keeps_its_page():
    send = published(state="cancelled")
    assert shown() == [send.slug]


def test_a_rehearsal_never_has_a_page():
    published(provider="rehearsal")
    assert shown() == []


def test_each_newsletter_has_its_own_and_the_newest_stands_first():
    for slug in ("2026-11-06", "2026-11-20", "2026-11-13"):
        published(slug)
    published("2026-11-21", "jianbao")
    assert shown() == ["2026-11-20", "2026-11-13", "2026-11-06"]
    middle = page("weekly", "2026-11-13")
    assert [(way, entry.slug) for way, entry in middle.neighbours] == [("prev", "2026-11-06"), ("next", "2026-11-20")]
    assert page("jianbao", "2026-11-21").neighbours == []


def test_the_back_issues_of_an_issue_are_those_before_it_also_when_it_is_looked_at_later():
    for slug in ("2026-11-06", "2026-11-13", "2026-11-20"):
        published(slug)
    listed = entries("weekly")
    assert [entry.slug for entry in before("2026-11-13", listed)] == ["2026-11-06"]
    assert before("2026-11-27", listed) == listed


def test_a_correction_is_what_the_page_says_and_the_send_keeps_what_was_mailed():
    send = published(article="<p>A bord for everybody.</p>")
    better = outgoing.issue(source="A board for everybody.", images=(outgoing.SKETCH,))
    words = [(one.sign, one.line) for one in changes(page("weekly", send.slug), better)]
    assert words == [("-", "<p>A bord for everybody.</p>"), ("+", "<p>A board for everybody.</p>")]

    correction = correct(send, better)

    now = page("weekly", send.slug)
    assert (now.article, now.entry.corrected) == (better.article, correction.corrected_at)
    assert now.entry.published == send.first_request_at, "a correction moves nothing in the list"
    assert changes(now, better) == []
    assert Media.objects.filter(sha256=outgoing.SKETCH.sha256).exists()
    kept = Send.objects.get(pk=send.pk)
    for name in ("subject", "html", "text", "article", "source_sha256", "content_sha256"):
        assert getattr(kept, name) == getattr(send, name)


def test_a_second_correction_takes_the_place_of_the_first():
    send = published()
    correct(send, outgoing.issue(source="second"))
    correct(send, outgoing.issue(source="third"))
    assert page("weekly", send.slug).article == "<p>third</p>"


def test_a_late_acceptance_does_not_move_an_issue():
    first, second = published("2026-11-13"), published("2026-11-20")
    Batch.objects.filter(send=first).update(settled_by="event")
    Send.objects.filter(pk=first.pk).update(last_request_at=second.first_request_at + timedelta(days=1))
    assert shown() == [second.slug, first.slug]


def test_the_first_image_that_others_may_load_stands_for_the_issue():
    ours, theirs = (
        '<img src="http://127.0.0.1/a.png">',
        '<img src="https://x.example/b.png?a=1&amp;b=2" alt="B &amp; C">',
    )
    published(article=f"<p>{ours}{theirs}</p>")
    assert page("weekly", "2026-11-20").image == ("https://x.example/b.png?a=1&b=2", "B & C")
    published("2026-11-21", article="<p>No image</p>")
    assert page("weekly", "2026-11-21").image is None


def test_the_first_newsletter_keeps_the_bare_path():
    assert archive_root("https://n.example", "weekly", ["weekly", "jianbao"]) == "https://n.example/archive/"
    assert archive_root("https://n.example", "jianbao", ["weekly", "jianbao"]) == "https://n.example/jianbao/archive/"


# ---------------------------------------------------------------- imported issues


def test_imported_and_sent_issues_are_one_list_by_date():
    published("2026-11-13")
    archived("2019-06-29")
    archived("2026-11-20", number="7", preheader="Old boards")
    listed = entries("weekly")
    assert [(one.slug, one.imported) for one in listed] == [
        ("2026-11-20", True),
        ("2026-11-13", False),
        ("2019-06-29", True),
    ]
    assert (listed[0].title, listed[0].preheader, listed[0].number) == ("The Weekly 2026-11-20", "Old boards", "7")
    assert listed[0].dated == listed[0].day
    assert [one.entry.slug for one in newest("weekly", 2)] == ["2026-11-20", "2026-11-13"]
    assert newest("weekly", 3)[-1].article == "<p>A board of long ago.</p>"
    assert {one.entry.slug for one in pages("weekly")} == {one.slug for one in listed}


def test_neighbours_are_those_of_both_kinds_and_of_the_same_day_in_a_fixed_order():
    published("2026-11-20")
    day = date(2019, 6, 29)
    for slug in ("a", "b", "c"):
        archived(slug, day=day)
    around = {one.slug: page("weekly", one.slug).neighbours for one in entries("weekly")}
    assert {slug: [(way, entry.slug) for way, entry in found] for slug, found in around.items()} == {
        "a": [("next", "b")],
        "b": [("prev", "a"), ("next", "c")],
        "c": [("prev", "b"), ("next", "2026-11-20")],
        "2026-11-20": [("prev", "c")],
    }


def test_what_was_really_sent_takes_the_place_of_what_was_imported():
    archived("2026-11-20", article="<p>imported</p>")
    readers.confirmed()
    send = outgoing.planned(slug="2026-11-20", provider="127.0.0.1")
    assert page("weekly", "2026-11-20").article == "<p>imported</p>", "until a subscriber has it"
    Batch.objects.filter(send=send).update(state=Batch.State.ACCEPTED)
    Send.objects.update(first_request_at=datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert page("weekly", "2026-11-20").article == send.article
    assert shown() == ["2026-11-20"]


def test_a_removed_page_is_nowhere_and_its_content_stays_on_record():
    published("2026-11-20")
    archived("2019-06-29")
    for slug in ("2026-11-20", "2019-06-29"):
        RemovedPage.objects.create(newsletter="weekly", slug=slug, removed_at=datetime(2026, 11, 21, tzinfo=UTC))
        assert is_removed("weekly", slug)
        assert page("weekly", slug) is None
    assert (shown(), newest("weekly", 5), list(pages("weekly"))) == ([], [], [])
    assert said("weekly", "2026-11-20").article == Send.objects.get().article
    assert not is_removed("jianbao", "2026-11-20")
    assert not is_removed("weekly", "\0")


def test_a_correction_of_nothing_is_still_what_the_page_says():
    send = published(preheader="Boards")
    correct(send, replace(outgoing.issue(), preheader=""))
    assert entries("weekly")[0].preheader == ""


def test_pages_and_lists_need_few_queries(django_assert_num_queries):
    for slug in ("2026-11-13", "2026-11-20", "2026-11-27"):
        published(slug)
    for slug in ("2019-06-29", "2019-07-06", "2019-07-13"):
        archived(slug)
    with django_assert_num_queries(1):
        assert len(entries("weekly")) == 6
    for slug in ("2026-11-20", "2019-07-06"):
        with django_assert_num_queries(2):
            page("weekly", slug)
    with django_assert_num_queries(1):
        newest("weekly", 20)


def test_the_last_of_issues_of_one_day_are_the_same_on_any_database():
    for slug in ("a", "B", "c", "D"):
        archived(slug, day=date(2019, 6, 29))
    assert [one.entry.slug for one in newest("weekly", 2)] == [one.slug for one in entries("weekly", 2)] == ["c", "a"]
