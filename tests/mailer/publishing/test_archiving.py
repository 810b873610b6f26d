"""The issues that were sent, with the addresses of their pages."""

import time
from itertools import count

import pytest

from mailer.archive import indexing, removing
from mailer.archive.searching import search
from mailer.models import IndexedIssue
from mailer.publishing.archiving import page_address, remove_page, sent_by_newsletter, sent_issues
from tests.mailer.published import published

pytestmark = pytest.mark.django_db


def test_sent_issues_come_newest_first_with_their_addresses(settings):
    published("2026-11-13")
    published("2026-11-20")
    assert [(sent.entry.slug, sent.url) for sent in sent_issues("weekly")] == [
        ("2026-11-20", f"{settings.BASE_URL}/archive/2026-11-20/"),
        ("2026-11-13", f"{settings.BASE_URL}/archive/2026-11-13/"),
    ]


def test_each_newsletter_knows_its_own(up_to_date):
    published("2026-11-13")
    assert {label: len(listed) for label, listed in sent_by_newsletter().items()} == {"weekly": 1, "jianbao": 0}


def test_a_slug_is_quoted_in_its_address():
    assert page_address("jianbao", "a b/c").endswith("/jianbao/archive/a%20b%2Fc/")


def test_a_removed_page_is_forgotten_on_a_slow_machine_although_another_newsletter_comes_first(monkeypatch):
    published("2026-11-20", newsletter="jianbao", article="<p>Secret words.</p>")
    indexing.catch_up()
    published("2026-11-13", newsletter="weekly")
    monkeypatch.setattr(time, "monotonic", count(step=10.0).__next__)
    remove_page("jianbao", "2026-11-20")
    assert search("jianbao", "secret").count == 0
    assert not IndexedIssue.objects.filter(newsletter="jianbao").exists()


def test_a_page_that_is_removed_while_it_is_being_indexed_is_not_found():
    published("2026-11-20", article="<p>Secret words.</p>")
    indexing.catch_up()
    removing.remove("weekly", "2026-11-20")
    assert search("weekly", "secret").count == 0
