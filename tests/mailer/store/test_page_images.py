"""Cards and icons in the database."""

import pytest

from mailer.content.assets.images import Image
from mailer.models import Media, PageImage
from mailer.store import page_images
from mailer.store.page_images import OF_NEWSLETTER, Role

pytestmark = pytest.mark.django_db


def drawn(name: str) -> Image:
    return Image(name * 64, "png", "image/png", 1, 1, name.encode())


def test_an_issue_has_one_card_the_last_that_was_drawn():
    assert page_images.card("weekly", "one") == ""
    page_images.keep("weekly", "one", {Role.CARD: drawn("a")})
    page_images.keep("weekly", "one", {Role.CARD: drawn("b")})
    page_images.keep("weekly", "two", {Role.CARD: drawn("a")})
    assert page_images.card("weekly", "one") == f"{'b' * 64}.png"
    assert page_images.card("weekly", "two") == f"{'a' * 64}.png"
    assert page_images.card("jianbao", "one") == page_images.card("weekly") == ""
    assert Media.objects.count() == 2


def test_what_is_none_is_removed_and_the_rest_stays():
    page_images.keep("weekly", OF_NEWSLETTER, {Role.CARD: drawn("a"), Role.ICON: drawn("b")})
    page_images.keep("weekly", OF_NEWSLETTER, {Role.ICON: None, Role.HOME_SCREEN: drawn("c")})
    assert page_images.icon("weekly", Role.ICON) is None
    assert bytes(page_images.icon("weekly", Role.HOME_SCREEN).content) == b"c"
    assert page_images.card("weekly") == f"{'a' * 64}.png"


def test_a_renamed_newsletter_keeps_its_images_and_what_it_was_given_since():
    page_images.keep("old", OF_NEWSLETTER, {Role.CARD: drawn("a")})
    page_images.keep("old", "one", {Role.CARD: drawn("a")})
    page_images.keep("new", OF_NEWSLETTER, {Role.CARD: drawn("b")})
    page_images.rename("old", "new")
    assert page_images.card("new", "one") == f"{'a' * 64}.png"
    assert page_images.card("new") == f"{'b' * 64}.png"
    assert not PageImage.objects.filter(newsletter="old").exists()
