"""An address leads to one issue, whoever asks first."""

import pytest

from mailer.models import Alias
from mailer.publishing.aliases import Claims
from tests.mailer.archived import archived
from tests.mailer.published import published

pytestmark = pytest.mark.django_db


@pytest.fixture
def claims() -> Claims:
    archived("2019-06-29")
    published("2026-11-20")
    Alias.objects.create(newsletter="weekly", name="/p/29", slug="2019-06-29")
    Alias.objects.create(newsletter="jianbao", name="/p/cn", slug="2019-06-29")
    made = Claims.of("weekly")
    assert made.claim("first", ("/p/first", "erste"), "first.md") == ""
    return made


@pytest.mark.parametrize(
    ("slug", "aliases", "why"),
    [
        ("first", (), "has the slug first, as first.md has"),
        ("erste", (), "has the slug erste, which is a former address of first.md"),
        ("new", ("/p/first",), '"/p/first", which leads to first.md'),
        ("new", ("first",), '"first", which leads to first.md'),
        ("new", ("2019-06-29",), "leads to the issue 2019-06-29"),
        ("new", ("2026-11-20",), "leads to the issue 2026-11-20"),
        ("new", ("/p/29",), "leads to the issue 2019-06-29"),
        ("new", ("/p/cn",), "leads to an issue of jianbao"),
        ("new", ("/subscribe",), "is an address of mailer itself"),
        ("new", ("/feed.xml",), "is an address of mailer itself"),
        ("new", ("/archive",), "is an address of mailer itself"),
    ],
)
def test_a_name_that_is_taken_is_refused(claims, slug, aliases, why):
    assert why in claims.claim(slug, aliases, "new.md")


def test_what_is_free_or_ones_own_is_not(claims):
    assert claims.claim("2019-06-29", ("/p/29", "/2019/06/29/title.html"), "a.md") == ""
    assert claims.claim("new", ("/archive/2019/06/30",), "b.md") == ""


def test_addresses_in_the_archive_are_slugs_and_ones_own_is_none():
    assert Claims("weekly").names_of(("/archive/old", "/archive/new", "/p/old", "old"), "new") == ("old", "/p/old")
    assert Claims("jianbao").names_of(("/jianbao/archive/old", "/archive/old"), "new") == ("old", "/archive/old")


def test_a_slug_that_is_a_former_address_is_refused(claims):
    Alias.objects.create(newsletter="weekly", name="older", slug="2019-06-29")
    assert "a former address of 2019-06-29" in Claims.of("weekly").claim("older", (), "x.md")
