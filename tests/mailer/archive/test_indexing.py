from datetime import UTC, date, datetime
from hashlib import sha256
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from mailer.archive import indexing, page
from mailer.archive.correcting import correct
from mailer.archive.searching import search
from mailer.models import IndexedIssue, Media, Send
from tests.mailer.published import published
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db


def indexed() -> list[str]:
    return list(IndexedIssue.objects.order_by("slug").values_list("slug", flat=True))


def count(query: str) -> int:
    found = search("weekly", query)
    return found.count if found else 0


def test_what_has_a_page_is_indexed_and_nothing_else():
    published("2026-11-13")
    outgoing.planned(slug="2026-11-20")
    assert indexing.catch_up()
    assert indexed() == ["2026-11-13"]


def test_nothing_is_written_while_nothing_changes():
    published(article="<p>Words.</p>")
    indexing.catch_up()
    with connection.execute_wrapper(
        lambda run, sql, *rest: pytest.fail(sql) if sql[:3] in ("INS", "UPD") else run(sql, *rest)
    ):
        assert indexing.catch_up()


def test_what_is_indexed_as_it_is_now_is_not_read_again():
    for day in range(10, 20):
        published(f"2026-11-{day}")
    indexing.catch_up()
    with CaptureQueriesContext(connection) as asked, patch.object(indexing, "alone", side_effect=AssertionError):
        assert indexing.catch_up()
    assert len(asked) == 2 * len(settings.NEWSLETTERS)
    assert not any("article" in one["sql"].replace("archivedissue", "") for one in asked)


def test_a_time_that_is_written_otherwise_is_the_same_time():
    published()
    indexing.catch_up()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE mailer_send SET first_request_at = substr(first_request_at, 1, 19) || '.000000'")
    else:
        Send.objects.update(first_request_at=F("first_request_at"))
    with patch.object(indexing, "alone", side_effect=AssertionError):
        assert indexing.catch_up()


def test_a_corrected_issue_is_found_by_what_it_says_now():
    send = published(article="<p>Wrong.</p>")
    indexing.catch_up()
    correct(send, outgoing.issue(slug=send.slug, source="better"))
    indexing.catch_up()
    assert (count("wrong"), count("better")) == (0, 1)


def test_an_issue_without_a_page_is_forgotten_with_its_terms():
    published(article="<p>Words.</p>")
    indexing.catch_up()
    Send.objects.update(first_request_at=None)
    indexing.catch_up()
    assert (indexed(), count("words")) == ([], 0)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            assert list(cursor.execute("SELECT rowid FROM mailer_issueterms")) == []


def test_another_way_of_indexing_indexes_all_anew(monkeypatch):
    published(article="<p>Words.</p>")
    indexing.catch_up()
    IndexedIssue.objects.update(text="")
    monkeypatch.setattr(indexing, "VERSION", indexing.VERSION + 1)
    indexing.catch_up()
    assert IndexedIssue.objects.get().text == "Words."


def test_it_stops_when_its_time_is_over_and_goes_on_the_next_time():
    published("2026-11-13")
    published("2026-11-20")
    assert not indexing.catch_up(-1)
    assert indexed() == ["2026-11-20"]
    assert indexing.catch_up()
    assert indexed() == ["2026-11-13", "2026-11-20"]


def test_however_little_time_there_is_each_newsletter_gets_on():
    for slug in ("2026-11-13", "2026-11-20"):
        published(slug, newsletter="weekly")
        published(slug, newsletter="jianbao")
    assert not indexing.catch_up(-1)
    assert indexed() == ["2026-11-20", "2026-11-20"]
    assert indexing.catch_up(-1)
    assert len(indexed()) == 4


def test_issues_that_were_indexed_in_time_have_excerpts_before_the_others_are_indexed():
    published("2026-11-13")
    published("2026-11-20", article="<p>Chips got cheaper this week, says the maker.</p>", preheader="")
    indexing.catch_up(-1)
    assert IndexedIssue.objects.get().excerpt == "Chips got cheaper this week, says the maker."


def test_excerpts_are_compared_with_those_of_the_same_time_alone(monkeypatch):
    monkeypatch.setattr(indexing, "COMPARED", 1)
    for day, said in (("13", "Chips got cheaper this week."), ("20", "Robots learned how to walk.")):
        published(f"2026-11-{day}", preheader="", article=f"<p>{said} More about that.</p>")
    published("2026-11-27", preheader="", article="<p>Chips got cheaper this week. More about that.</p>")
    indexing.catch_up()
    assert list(IndexedIssue.objects.order_by("slug").values_list("excerpt", flat=True)) == [
        "Chips got cheaper this week. More about that.",
        "Robots learned how to walk.",
        "Chips got cheaper this week.",
    ]


def test_forgetting_makes_it_be_indexed_anew():
    published(article="<p>Words.</p>")
    indexing.catch_up()
    Send.objects.update(article="<p>Others.</p>")  # without a date of correction
    indexing.forget("weekly", "2026-11-20")
    indexing.catch_up()
    assert (count("words"), count("others")) == (0, 1)


def test_renewing_one_issue_waits_for_no_other():
    for slug in ("2026-11-13", "2026-11-20"):
        published(slug, article="<p>Words.</p>")
    indexing.renew("weekly", "2026-11-13")
    assert indexed() == ["2026-11-13"]
    assert IndexedIssue.objects.get().excerpt


def test_renewing_an_issue_without_a_page_does_nothing():
    indexing.renew("weekly", "2026-11-13")
    assert indexed() == []


def test_who_comes_second_leaves_it_to_the_first(monkeypatch):
    published()
    found = page("weekly", "2026-11-20")
    indexing.index("weekly", found)
    indexing.index("weekly", found)
    assert indexed() == ["2026-11-20"]


def test_an_issue_is_found_with_the_day_on_which_its_newsletter_sent_it():
    published("2026-06-01", newsletter="jianbao", first_request_at=datetime(2026, 6, 1, 23, 30, tzinfo=UTC))
    indexing.catch_up()
    assert IndexedIssue.objects.get().dated == date(2026, 6, 2), "in Shanghai"


def an_image(name: str, width: int = 600, height: int = 400, kind: str = "png") -> str:
    digest = sha256(name.encode()).hexdigest()
    Media.objects.create(
        sha256=digest, extension=kind, content_type=f"image/{kind}", width=width, height=height, content=b"x"
    )
    return f"/media/{digest}.{kind}"


def test_only_an_image_of_ours_that_no_other_issue_has_stands_for_an_issue():
    logo, icon, moving, own = (
        an_image("logo"),
        an_image("icon", 32, 32),
        an_image("moving", kind="gif"),
        an_image("own"),
    )
    shown = [f"https://elsewhere.example{own}", "/media/x.png", logo, icon, moving, f"{settings.BASE_URL}{own}"]
    published("2026-11-13", article="".join(f'<p><img src="{one}" alt=""></p>' for one in shown))
    published("2026-11-20", article=f'<p><img src="{logo}" alt=""></p>')
    indexing.catch_up()
    assert list(IndexedIssue.objects.order_by("slug").values_list("image", flat=True)) == [own, ""]


def test_an_image_that_another_host_serves_for_us_stands_for_an_issue_and_a_broken_address_stops_nothing():
    own = an_image("own")
    shown = ["https://[broken/a.png", f"https://cdn.example.com/m/{own.removeprefix('/media/')}"]
    published("2026-11-13", article="".join(f'<p><img src="{one}" alt=""></p>' for one in shown))
    assert indexing.catch_up()
    assert IndexedIssue.objects.get().image == own


def test_greetings_that_each_issue_repeats_are_left_out_of_excerpts():
    for number, news in (("12", "Chips got cheaper this week, says the maker."), ("13", "Robots learned how to walk.")):
        greeting = f"Welcome to issue {number} of The Weekly."
        article = f"<h2>News</h2><p>{greeting} {news}</p>"
        published(f"2026-11-{number}", preheader=f"{greeting} {news}"[:60] + "…", article=article)
    indexing.catch_up()
    assert list(IndexedIssue.objects.order_by("slug").values_list("excerpt", flat=True)) == [
        "Chips got cheaper this week, says the maker.",
        "Robots learned how to walk.",
    ]
