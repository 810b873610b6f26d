"""The icons of a newsletter, made from its logo."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from PIL import Image

from mailer.config.newsletter import Newsletter
from mailer.content.cards.icons import icons_of


@pytest.fixture
def weekly(tmp_path: Path) -> Newsletter:
    return replace(settings.NEWSLETTERS["weekly"], folder=tmp_path, logo="logo.png")


def opened(image) -> Image.Image:
    return Image.open(io.BytesIO(image.content))


def test_a_logo_becomes_two_squares(weekly, tmp_path):
    Image.new("RGB", (300, 200), "#cc0000").save(tmp_path / "logo.png")
    tab, home = icons_of(weekly)
    assert (tab.width, tab.height, home.width, home.height) == (32, 32, 180, 180)
    assert opened(tab).getpixel((16, 16)) == (204, 0, 0, 255)
    assert opened(tab).getpixel((16, 2))[3] == 0, "a tab may be of any colour"
    assert opened(home).getpixel((90, 90)) == (204, 0, 0)
    assert opened(home).getpixel((90, 2)) == (10, 88, 202), "a home screen shows no holes"


def test_a_logo_with_holes_stands_on_white_with_a_margin(weekly, tmp_path):
    logo = Image.new("RGBA", (100, 100))
    logo.paste((0, 0, 0, 255), (0, 0, 100, 50))
    logo.save(tmp_path / "logo.png")
    _, home = icons_of(weekly)
    assert opened(home).getpixel((90, 3)) == (255, 255, 255)
    assert opened(home).getpixel((90, 30)) == (0, 0, 0)
    assert opened(home).getpixel((90, 150)) == (255, 255, 255)


def test_icons_are_the_same_to_the_byte_each_time(weekly, tmp_path):
    Image.new("RGB", (64, 64), "#cc0000").save(tmp_path / "logo.png")
    assert icons_of(weekly) == icons_of(weekly)


@pytest.mark.parametrize("size", [(600, 100), (100, 600)])
def test_a_long_logo_makes_no_icon(weekly, tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "logo.png")
    assert icons_of(weekly) is None


@pytest.mark.parametrize("logo", ["", "missing.png", "https://example.com/logo.png"])
def test_without_a_logo_in_the_folder_there_is_none(weekly, logo):
    assert icons_of(replace(weekly, logo=logo)) is None
