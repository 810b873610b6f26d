"""The page of a sent issue is corrected by the same rules, whoever asks."""

import pytest

from mailer.archive import page
from mailer.archive.searching import search
from mailer.models import Correction
from mailer.publishing.correcting import OF_MAIL_ONLY, correct, propose, require_sound_page
from mailer.publishing.errors import CorrectIssue, CorrectSettings, Refused
from mailer.publishing.preparing import prepare
from tests.mailer.published import published

pytestmark = pytest.mark.django_db

ISSUE = "---\nnewsletter: weekly\n---\n# The Weekly 2026-11-20\n\n## News\n\nA board for everybody.\n"


@pytest.fixture
def proof(tmp_path):
    def made(source: str = ISSUE):
        path = tmp_path / "2026-11-20.md"
        path.write_text(source)
        return prepare(path, None)

    return made


def test_what_would_change_is_known_before_it_does(proof, settings):
    published(base_url=settings.BASE_URL, article="<p>A bord.</p>")
    proposal = propose(proof())
    assert "- <p>A bord.</p>" in [f"{one.sign} {one.line}" for one in proposal.changes]
    assert proposal.url.endswith("/archive/2026-11-20/")
    assert not Correction.objects.exists()


def test_a_correction_stands_on_the_page_and_changes_nothing_the_second_time(proof, settings):
    published(base_url=settings.BASE_URL)
    since = correct(propose(proof()))
    shown = page("weekly", "2026-11-20")
    assert "A board for everybody." in shown.article
    assert shown.entry.corrected == since
    assert propose(proof()).changes == ()
    assert search("weekly", "board").count == 1


def test_an_issue_that_was_not_sent_has_no_page_to_correct(proof):
    with pytest.raises(Refused, match="has been sent"):
        propose(proof())


def test_images_of_a_public_page_do_not_come_from_this_machine(proof, settings):
    published(base_url="https://news.example.com")
    settings.BASE_URL = "http://127.0.0.1:8000"
    with pytest.raises(CorrectSettings, match="BASE_URL"):
        propose(proof())


def test_errors_block_a_page_but_rules_about_emails_do_not(proof):
    with pytest.raises(CorrectIssue) as refused:
        require_sound_page(proof(ISSUE + "\n![Gone](gone.png)\n"))
    assert not OF_MAIL_ONLY & {finding.rule for finding in refused.value.findings}
