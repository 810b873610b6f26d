"""The archive of many years: the last ones on its first page, each of the others on its own."""

import pytest
from django.test import Client

from mailer.archive import listing
from tests.mailer.archived import archived
from tests.mailer.published import published
from tests.mailer.web.test_pages import BASE, metas, tree, words

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _two_are_enough(monkeypatch, settings):
    settings.BASE_URL = BASE
    monkeypatch.setattr(listing, "ENOUGH", 2)


@pytest.fixture
def _years():
    for slug in ("2026-11-20", "2026-11-13", "2019-06-29", "2018-05-04", "2018-05-11"):
        archived(slug)


def listed(page) -> list[str]:
    return [one.rstrip("/").rpartition("/")[2] for one in page.xpath("//ol[@class='issues']/li//a/@href")]


def links(page, name: str) -> dict[str, str]:
    return {words(one): one.get("href") for one in page.xpath(f"//nav[@class='{name}']/a")}


@pytest.mark.usefixtures("_years")
def test_the_first_page_has_the_last_issues_and_leads_to_the_others(client: Client):
    page = tree(client, "/archive/")
    assert listed(page) == ["2026-11-20", "2026-11-13"]
    years = {"2026": "#y2026", "2019": "/archive/?year=2019", "2018": "/archive/?year=2018"}
    assert links(page, "years") == years
    assert links(page, "pages") == {"2019": "/archive/?year=2019"}


@pytest.mark.usefixtures("_years")
def test_a_link_to_a_year_of_the_former_list_still_leads_to_where_it_is(client: Client):
    page = tree(client, "/archive/")
    for year in ("2026", "2019", "2018"):
        assert len(page.xpath(f"//*[@id='y{year}']")) == 1


@pytest.mark.usefixtures("_years")
def test_a_year_has_a_page_that_leads_to_those_beside_it(client: Client):
    page = tree(client, "/archive/?year=2019")
    assert [words(one) for one in page.iter("h2")] == ["2019"]
    assert listed(page) == ["2019-06-29"]
    assert links(page, "years") == {"2026": "/archive/#y2026", "2019": "#y2019", "2018": "/archive/?year=2018"}
    assert page.xpath("//nav[@class='years']/a[@aria-current='page']/text()") == ["2019"]
    assert links(page, "pages") == {"2026": "/archive/#y2026", "2018": "/archive/?year=2018"}
    assert listed(tree(client, "/archive/?year=2018")) == ["2018-05-11", "2018-05-04"]


@pytest.mark.usefixtures("_years")
def test_a_year_of_the_first_page_has_one_too(client: Client):
    assert listed(tree(client, "/archive/?year=2026")) == ["2026-11-20", "2026-11-13"]


@pytest.mark.usefixtures("_years")
def test_it_tells_others_what_it_is_and_may_be_kept(client: Client):
    response = client.get("/archive/?year=2019")
    assert response["Cache-Control"] == "public, max-age=300"
    page = tree(client, "/archive/?year=2019")
    assert page.xpath("//link[@rel='canonical']/@href") == [f"{BASE}/archive/?year=2019"]
    assert metas(page)["robots"] == "index"
    assert words(page.find(".//title")) == "2019 · All issues · The Weekly"
    assert page.xpath("//form[@method='post']") == [], "a form is one visitor's"
    again = client.get("/archive/?year=2019", headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304


@pytest.mark.usefixtures("_years")
@pytest.mark.parametrize("path", ["/archive/", "/archive/?year=2018", "/archive/?year=1999"])
def test_no_page_takes_more_than_three_queries(client: Client, django_assert_max_num_queries, path: str):
    with django_assert_max_num_queries(3) as seen:
        client.get(path)
    assert "article" not in str([one["sql"] for one in seen.captured_queries]).replace("mailer_archivedissue", "")


@pytest.mark.usefixtures("_years")
@pytest.mark.parametrize(
    "year", ["1999", "0", "20190", "-2019", "2019.0", "２０１９", "²", "abc", "2019'--", "%00", "%ff", "9" * 5000]
)
def test_a_year_without_issues_is_not_found(client: Client, year: str):
    assert "Page not found" in words(tree(client, f"/archive/?year={year}", 404))


@pytest.mark.usefixtures("_years")
def test_no_year_is_the_first_page_and_words_are_searched_in_all(client: Client):
    assert listed(tree(client, "/archive/?year=")) == ["2026-11-20", "2026-11-13"]
    assert "No issue has all" in words(tree(client, "/archive/?year=2019&q=nothing"))


def test_another_newsletter_has_its_own(client: Client):
    archived("2019-06-29", "jianbao")
    published("2026-11-13", "jianbao")
    published("2026-11-20", "jianbao")
    page = tree(client, "/jianbao/archive/?year=2019")
    assert links(page, "years") == {"2026": "/jianbao/archive/#y2026", "2019": "#y2019"}
    tree(client, "/archive/?year=2019", 404)
