"""The issues that were sent, with the addresses of their pages."""

import pytest

from mailer.publishing.archiving import page_address, sent_by_newsletter, sent_issues
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
