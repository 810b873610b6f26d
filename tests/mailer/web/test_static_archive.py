"""The archive as files: every link leads to a file or to the server, and the same archive gives the same bytes."""

import json
import re
from datetime import UTC, date, datetime
from posixpath import join, normpath
from urllib.parse import quote, unquote

import pytest
from django.conf import settings

from mailer.archive import listing, removing
from mailer.models import Alias, Media
from mailer.web.static_archive import StaticArchive
from tests.mailer.archived import archived
from tests.mailer.published import published

pytestmark = pytest.mark.django_db

BASE = "https://news.example.com"
SHA256 = "ab" * 32
LINKED = re.compile(r'<(?!meta)[a-z][^<>]*?\s(?:href|src|action)="([^"]*)"')


@pytest.fixture(autouse=True)
def _public(settings):
    settings.BASE_URL = BASE


@pytest.fixture
def issues() -> None:
    """Make two issues that were sent and one that was imported, with an image and links to each other."""
    Media.objects.create(
        sha256=SHA256, extension="png", content_type="image/png", width=1, height=1, content=b"an image"
    )
    article = (
        f'<section><h2>Boards</h2><p>模型压缩 <a href="{BASE}/archive/2026-11-13/#boards">last week</a> and '
        f'<a href="https://example.org/archive/x/">elsewhere</a></p>'
        f'<p><img src="{BASE}/media/{SHA256}.png" alt="A board"></p></section>'
    )
    published("2026-11-13", base_url=BASE, language="en", article='<p>First. Not a link: href="/archive/"</p>')
    published("2026-11-20", base_url=BASE, language="en", article=article)
    archived("2019-06-29", article=f'<p>Of long ago, <a href="{BASE}/archive/2026-11-20/">later</a>.</p>')
    Alias.objects.create(newsletter="weekly", name="/2019/06/29/title.html", slug="2019-06-29")


def built(base_url: str | None = None, **more: object) -> dict[str, bytes]:
    files = list(StaticArchive(settings.NEWSLETTERS["weekly"], base_url, **more).files())  # type: ignore[arg-type]
    assert len({path for path, _ in files}) == len(files)
    return dict(files)


@pytest.mark.usefixtures("issues")
@pytest.mark.parametrize("base_url", [None, "https://ada.example/weekly/"])
def test_every_link_leads_to_a_file_or_to_a_site(base_url):
    files = built(base_url)
    within = 0
    for path, content in files.items():
        if not path.endswith(".html"):
            continue
        for address in LINKED.findall(content.decode()):
            if re.match(r"https?://|#|mailto:", address):
                continue
            within += 1
            target = normpath(join(path.rpartition("/")[0], unquote(address.partition("#")[0])))
            assert target in files, (path, address)
    assert within > 30


@pytest.mark.usefixtures("issues")
def test_the_same_archive_gives_the_same_bytes():
    assert built() == built()


@pytest.mark.usefixtures("issues")
def test_an_issue_leads_to_others_to_its_images_and_to_the_form_of_the_server():
    page = built()["2026-11-20/index.html"].decode()
    assert 'href="../2026-11-13/index.html#boards"' in page
    assert 'href="https://example.org/archive/x/"' in page
    assert f'src="../media/{SHA256}.png"' in page
    assert f'href="{BASE}/subscribe/"' in page
    assert built()[f"media/{SHA256}.png"] == b"an image"


def test_a_link_leads_to_a_file_whatever_its_other_attributes_say():
    published("2026-11-13", article=f'<p><a title="1 > 0" href="{BASE}/archive/">a</a></p>', language="en")
    assert '<a title="1 > 0" href="../index.html">' in built()["2026-11-13/index.html"].decode()


@pytest.mark.usefixtures("issues")
def test_text_that_looks_like_an_address_stays_as_it_is():
    assert 'Not a link: href="/archive/"' in built()["2026-11-13/index.html"].decode()


@pytest.mark.usefixtures("issues")
def test_links_in_issues_from_a_former_address_of_the_server_lead_to_files(settings):
    settings.BASE_URL = "https://new.example.com"
    page = built()["2026-11-20/index.html"].decode()
    assert 'href="../2026-11-13/index.html#boards"' in page


@pytest.mark.usefixtures("issues")
def test_feeds_shared_links_and_search_engines_are_led_to_the_base_url():
    files = built("https://ada.example/weekly/")
    page = files["2026-11-20/index.html"].decode()
    assert '<link rel="canonical" href="https://ada.example/weekly/2026-11-20/">' in page
    assert '<meta property="og:url" content="https://ada.example/weekly/2026-11-20/">' in page
    assert "<loc>https://ada.example/weekly/2026-11-20/</loc>" in files["sitemap.xml"].decode()
    feed = json.loads(files["feed.json"])
    assert feed["feed_url"] == "https://ada.example/weekly/feed.json"
    assert feed["items"][0]["url"] == "https://ada.example/weekly/2026-11-20/"
    assert f"https://ada.example/weekly/media/{SHA256}.png" in feed["items"][0]["content_html"]
    assert BASE not in files["feed.xml"].decode()


@pytest.mark.usefixtures("issues")
def test_without_a_base_url_the_served_archive_stays_the_one_to_find():
    files = built()
    assert f'<link rel="canonical" href="{BASE}/archive/2026-11-20/">' in files["2026-11-20/index.html"].decode()
    assert f"<loc>{BASE}/archive/2026-11-20/</loc>" in files["sitemap.xml"].decode()


@pytest.mark.usefixtures("issues")
def test_a_former_address_leads_to_the_issue():
    page = built("https://ada.example/")["2019/06/29/title.html"].decode()
    assert 'content="0; url=../../../2019-06-29/index.html"' in page
    assert 'href="https://ada.example/2019-06-29/"' in page


@pytest.mark.usefixtures("issues")
@pytest.mark.parametrize(
    "name",
    [
        *(
            "/../outside",
            "/assets/pages.css/",
            "/index.html",
            "/Index.html",
            ".",
            "feed.xml",
            "/.git/refs/heads/x.html",
        ),
        *(f"/{'片' * 86}", f"/{'a' * 256}/b"),
        *("/2019/06/29/title.html/amp", "/2019/06/29/Title.html", "2026-11-20", "/2026-11-20/index.html/"),
    ],
)
def test_a_former_address_takes_no_files_place_and_leaves_no_folder(name):
    before = built()
    Alias.objects.create(newsletter="weekly", name=name, slug="2019-06-29")
    site = StaticArchive(settings.NEWSLETTERS["weekly"])
    assert sorted(path.casefold() for path, _ in site.files()) == sorted(path.casefold() for path in before)
    assert len(site.left_out) == 1


@pytest.mark.parametrize("slug", ["feed.xml", "index.html", "favicon.svg", "search", "assets"])
def test_an_issue_may_be_called_like_a_file(slug):
    archived(slug, day=date(2019, 7, 1))
    files = built()
    assert len([path for path in files if path.startswith(slug) and path.endswith("/index.html")]) == 1
    assert not any(f"{path}/index.html" in files for path in files), "a file cannot be a folder, too"


def test_the_folder_of_a_long_slug_has_a_name_that_a_file_system_takes():
    archived("中" * 100, day=date(2019, 7, 1))
    files = built()
    (folder,) = {path.partition("/")[0] for path in files if path.startswith("中")}
    assert len(folder.encode()) <= 255
    assert f'href="{quote(folder)}/index.html"' in files["index.html"].decode()


@pytest.mark.parametrize("slug", ["中" * 100, "feed.xml"], ids=["long", "taken"])
@pytest.mark.parametrize("base_url", [None, "https://ada.example/weekly/"])
def test_feeds_and_sitemap_lead_to_the_page_of_an_issue_whose_folder_is_called_otherwise(slug, base_url):
    archived(slug, day=date(2019, 7, 1))
    files = built(base_url)
    (folder,) = {path.removesuffix("/index.html") for path in files if path.startswith(f"{slug[:60]}") and "/" in path}
    page = f"{base_url}{quote(folder)}/" if base_url else f"{BASE}/archive/{quote(slug)}/"
    assert f"<loc>{page}</loc>" in files["sitemap.xml"].decode()
    assert f'href="{page}"' in files["feed.xml"].decode()
    assert [one["url"] for one in json.loads(files["feed.json"])["items"]] == [page]


@pytest.mark.parametrize("address", ["/static/..", "/static/", "/static/%2e%2e", "/colours/x.css", "/colours/../x"])
def test_an_address_that_is_none_of_our_files_leads_to_the_server(address):
    published("2026-11-13", article=f'<p><a href="{BASE}{address}">x</a></p>', language="en", base_url=BASE)
    assert f'href="{BASE}{address}"' in built()["2026-11-13/index.html"].decode()


@pytest.mark.usefixtures("issues")
def test_a_removed_page_and_another_newsletters_are_not_there():
    removing.remove("weekly", "2026-11-13")
    published("2026-11-06", newsletter="jianbao")
    files = built()
    assert [path for path in files if path.startswith(("2026-11-13", "2026-11-06"))] == []
    assert "2026-11-06" not in "".join(content.decode(errors="replace") for content in files.values())


@pytest.mark.usefixtures("issues")
def test_markdown_lies_beside_its_page():
    assert (
        built(markdown={"2026-11-20": b"# Boards\n", "never-sent": b"# Draft\n"})["2026-11-20/index.md"]
        == b"# Boards\n"
    )
    assert "never-sent/index.md" not in built(markdown={"never-sent": b"# Draft\n"})


def test_a_script_of_the_search_has_each_issue_once_and_nothing_that_ends_it():
    published("2026-11-13", article='<p>a\u2028b &lt;/script&gt; "c"</p>', language="en")
    shard = built()["search/2026.js"].decode()
    assert json.loads(shard.removeprefix("archive.take(").removesuffix(");\n")) == [
        [
            *("2026-11-13", "The Weekly 2026-11-13", "2026-11-13", "13 November 2026", "en", "boards and compilers"),
            'boards and compilers\na b </script> "c"',
        ]
    ]
    assert "\u2028" not in shard


def test_the_search_shows_the_day_on_which_the_newsletter_sent_an_issue_in_its_language():
    published("2026-12-31", "jianbao", first_request_at=datetime(2026, 12, 31, 23, 30, tzinfo=UTC))
    files = dict(StaticArchive(settings.NEWSLETTERS["jianbao"]).files())
    assert '"2027-01-01","2027 年 1 月 1 日"' in files["search/2027.js"].decode()


def test_an_empty_archive_has_its_page_and_the_same_bytes_each_time():
    assert b"No issue has been sent yet" in built()["index.html"]
    assert built() == built()


@pytest.mark.usefixtures("issues")
@pytest.mark.parametrize("base_url", [None, "https://ada.example/weekly/"])
def test_years_that_the_first_page_has_no_room_for_are_files(monkeypatch, base_url):
    monkeypatch.setattr(listing, "ENOUGH", 2)
    archived("2018-01-01", article=f'<p><a href="{BASE}/archive/?year=2019">2019</a></p>')
    archived("years", day=date(2018, 2, 1), article=f'<p><a href="{BASE}/archive/?year=2026">2026</a></p>')
    files = built(base_url)
    first, of_2019 = files["index.html"].decode(), files["years/2019.html"].decode()
    assert 'href="years/2019.html"' in first
    assert 'href="2019-06-29/index.html"' not in first
    assert 'href="../2019-06-29/index.html"' in of_2019
    assert 'href="../index.html#y2026"' in of_2019
    assert 'href="2018.html"' in of_2019
    canonical = f"{base_url}years/2019.html" if base_url else f"{BASE}/archive/?year=2019"
    assert f'<link rel="canonical" href="{canonical}">' in of_2019
    assert 'href="../years/2019.html"' in files["2018-01-01/index.html"].decode()
    assert 'href="../index.html"' in files["years/index.html"].decode(), "an issue may be called like that folder"
    assert "years/2026.html" not in files
