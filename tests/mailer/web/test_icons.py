"""The icon of a newsletter in a browser's tab."""

import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from django.db import OperationalError, connection
from django.test import Client
from PIL import Image as Pillow

from mailer.content.assets.images import Image
from mailer.store import page_images
from mailer.store.page_images import OF_NEWSLETTER, Role
from mailer.web.icons import initial, square

SVG = "{http://www.w3.org/2000/svg}"


def icon(client: Client, path: str):
    answer = client.get(path)
    assert answer.status_code == 200
    return answer


def away(*_: object) -> None:
    raise OperationalError("the database is down")


@pytest.mark.django_db
def test_the_icon_is_the_logo_once_an_issue_was_sent(client: Client):
    tab = Image("a" * 64, "png", "image/png", 32, 32, b"tab")
    home = Image("b" * 64, "png", "image/png", 180, 180, b"home")
    page_images.keep("weekly", OF_NEWSLETTER, {Role.ICON: tab, Role.HOME_SCREEN: home})
    for path, content in (("/favicon.ico", b"tab"), ("/apple-touch-icon.png", b"home")):
        answer = icon(client, path)
        assert (answer.content, answer["Content-Type"]) == (content, "image/png")
        assert set(answer["Cache-Control"].split(", ")) == {"max-age=86400", "public"}
    assert icon(client, "/jianbao/favicon.ico")["Content-Type"] == "image/svg+xml"


@pytest.mark.django_db
def test_there_is_an_icon_while_the_database_is_down(client: Client):
    with connection.execute_wrapper(away):
        assert icon(client, "/favicon.ico")["Content-Type"] == "image/svg+xml"
        assert icon(client, "/apple-touch-icon.png")["Content-Type"] == "image/png"


@pytest.mark.django_db
def test_each_newsletter_has_its_first_letter_on_its_colour(client: Client, settings):
    jianbao = replace(settings.NEWSLETTERS["jianbao"], accent_color="#ffdd00")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"jianbao": jianbao}
    for path, letter, ground, ink in (
        ("/favicon.ico", "T", "#0a58ca", "#ffffff"),
        ("/jianbao/favicon.ico", "嵌", "#ffdd00", "#1f2328"),
    ):
        answer = icon(client, path)
        drawing = ElementTree.fromstring(answer.content)
        text, square_of_colour = drawing.find(f"{SVG}text"), drawing.find(f"{SVG}rect")
        assert (text.text, text.get("fill"), square_of_colour.get("fill")) == (letter, ink, ground)
        assert answer["Content-Type"] == "image/svg+xml"
        assert answer["Content-Security-Policy"] == "default-src 'none'"
        assert answer.content == icon(client, path).content


@pytest.mark.django_db
def test_pages_link_to_the_icon_of_their_newsletter(client: Client):
    assert b'<link rel="icon" href="/favicon.ico">' in client.get("/").content
    assert b'<link rel="icon" href="/jianbao/favicon.ico">' in client.get("/jianbao/archive/").content
    assert b'<link rel="apple-touch-icon" href="/jianbao/apple-touch-icon.png">' in client.get("/jianbao/x/").content


@pytest.mark.django_db
def test_who_has_the_icon_is_not_sent_it_again(client: Client):
    first = icon(client, "/favicon.ico")
    assert set(first["Cache-Control"].split(", ")) == {"max-age=86400", "public"}
    assert client.get("/favicon.ico", headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert client.post("/favicon.ico").status_code == 405
    assert client.get("/nobody/favicon.ico").status_code == 404


@pytest.mark.django_db
def test_a_home_screen_shows_the_newsletters_colour(client: Client):
    answer = icon(client, "/apple-touch-icon.png")
    assert answer["Content-Type"] == "image/png"
    picture = Pillow.open(io.BytesIO(answer.content)).convert("RGB")
    assert (picture.size, picture.getcolors()) == ((180, 180), [(180 * 180, (10, 88, 202))])


def test_a_square_is_the_same_to_the_byte_each_time():
    assert square("#0a58ca", 4) == square("#0a58ca", 4)


@pytest.mark.parametrize(
    ("name", "letter"), [("the Weekly", "T"), ("«épicé»", "É"), ("ßig", "S"), ("7 days", "7"), ("…", ""), ("نشرة", "ن")]
)
def test_the_letter_is_the_first_of_the_name(name, letter):
    assert initial(name) == letter
