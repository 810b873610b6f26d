# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""A card is drawn when an issue is really sent, and when its page changes."""

from dataclasses import replace
from datetime import date

import pytest
from PIL import Image

from mailer.content.cards import fonts
from mailer.models import REHEARSAL, PageImage, Send
from mailer.publishing import correcting
from mailer.publishing.cards import draw_cards, renew_card
from mailer.publishing.preparing import prepare
from mailer.publishing.sending import Order, get_ready, propose, start
from mailer.store import page_images
from mailer.store.page_images import Role
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.published import published
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = f"---\nnewsletter: weekly\ndate: {date.today()}\n---\n# Boards\n\nText.\n"
SLUG = "2026-11-20"


@pytest.fixture
def proof(api, settings, tmp_path):
    settings.PROVIDER_IS_LOCAL = True
    sweep()
    readers.confirmed()

    def made(source: str = ISSUE):
        path = tmp_path / f"{SLUG}.md"
        path.write_text(source)
        return prepare(path, None)

    return made


@pytest.fixture
def without_fonts(monkeypatch):
    def take_away() -> None:
        fonts._installed.cache_clear()
        monkeypatch.setattr(fonts, "find_spec", lambda name: None)

    yield take_away
    fonts._installed.cache_clear()


def send(proof) -> Send:
    return start(get_ready(propose(proof, Order())))


def test_a_real_send_draws_the_card_of_the_issue_and_of_the_newsletter(proof):
    send(proof())
    card, own = page_images.card("weekly", SLUG), page_images.card("weekly")
    assert card.endswith(".png")
    assert own.endswith(".png")
    assert card != own


def test_a_rehearsal_draws_no_card_of_an_issue(proof, settings):
    settings.PROVIDER = REHEARSAL
    send(proof())
    assert page_images.card("weekly", SLUG) == ""
    assert page_images.card("weekly") != ""


def test_a_send_does_not_depend_on_fonts(proof, without_fonts):
    without_fonts()
    assert send(proof()).state == Send.State.SENDING
    assert not PageImage.objects.exists()


def test_an_issue_whose_title_no_font_can_write_has_no_card(proof):
    send(proof(ISSUE.replace("Boards", "🎉")))
    assert page_images.card("weekly", SLUG) == ""


def test_the_logo_becomes_the_icon_until_there_is_none(proof, tmp_path):
    Image.new("RGB", (100, 100), "#cc0000").save(tmp_path / "logo.png")
    made = proof()
    send(replace(made, newsletter=replace(made.newsletter, folder=tmp_path, logo="logo.png")))
    assert page_images.icon("weekly", Role.ICON).width == 32
    assert page_images.icon("weekly", Role.HOME_SCREEN).width == 180
    page_images_of_the_next = proof(ISSUE.replace("Text", "Other"))
    Send.objects.all().delete()
    send(page_images_of_the_next)
    assert page_images.icon("weekly", Role.ICON) is None


def test_a_correction_draws_the_card_anew(proof, settings):
    send(proof())
    first = page_images.card("weekly", SLUG)
    Send.objects.all().delete()
    published(SLUG, base_url=settings.BASE_URL, subject="Boards")
    correcting.correct(correcting.propose(proof(ISSUE.replace("Boards", "Better boards"))))
    assert page_images.card("weekly", SLUG) not in ("", first)


def test_without_fonts_a_correction_keeps_the_card_only_if_it_has_the_same_title(proof, settings, without_fonts):
    send(proof())
    first = page_images.card("weekly", SLUG)
    Send.objects.all().delete()
    published(SLUG, base_url=settings.BASE_URL, subject="Boards")
    without_fonts()
    correcting.correct(correcting.propose(proof(ISSUE.replace("Text", "Other text"))))
    assert page_images.card("weekly", SLUG) == first
    correcting.correct(correcting.propose(proof(ISSUE.replace("Boards", "Better boards"))))
    assert page_images.card("weekly", SLUG) == ""


def test_issues_that_were_sent_before_get_their_cards_once(settings):
    published("2026-11-13", subject="Boards")
    published("2026-11-20", subject="Party 🎉")
    weekly = settings.NEWSLETTERS["weekly"]
    first = {one.slug: one.fault for one in draw_cards(weekly)}
    assert first["2026-11-13"] == ""
    assert "🎉 (U+1F389)" in first["2026-11-20"]
    assert page_images.card("weekly") != ""
    assert page_images.with_card("weekly") == {"2026-11-13"}
    assert [one.slug for one in draw_cards(weekly)] == ["2026-11-20"]
    assert len(list(draw_cards(weekly, again=True))) == 2


def test_an_issue_that_is_imported_again_gets_a_new_card_only_if_it_had_one(settings):
    weekly = settings.NEWSLETTERS["weekly"]
    renew_card(weekly, SLUG, "Boards", "en")
    assert page_images.card("weekly", SLUG) == ""
    published(SLUG, subject="Boards")
    list(draw_cards(weekly))
    first = page_images.card("weekly", SLUG)
    renew_card(weekly, SLUG, "Better boards", "en")
    assert page_images.card("weekly", SLUG) not in ("", first)
    renew_card(weekly, SLUG, "Party 🎉", "en")
    assert page_images.card("weekly", SLUG) == ""
