"""The doctor says why links to issues show no card."""

from dataclasses import replace

import pytest

from mailer.cli.doctor.cards import checks
from mailer.content.cards import fonts
from tests.mailer.published import published

pytestmark = pytest.mark.django_db


def found(database: bool = True) -> tuple[str, str]:
    return next((one.state, one.detail) for one in checks(database) if one.name == "cards weekly")


@pytest.fixture
def configure(settings):
    def changed(**values: str) -> None:
        weekly = replace(settings.NEWSLETTERS["weekly"], **values)
        settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": weekly}

    return changed


def test_all_is_well_with_a_font_that_has_all_letters():
    published(subject="模型 and عربي")
    assert found() == ("ok", "can be drawn")
    assert [one.name for one in checks(database=False)] == ["cards weekly", "cards jianbao"]


def test_no_font_is_no_fault_but_it_is_said_how_to_get_one(monkeypatch):
    fonts._installed.cache_clear()
    monkeypatch.setattr(fonts, "find_spec", lambda name: None)
    state, detail = found()
    fonts._installed.cache_clear()
    assert state == "ok"
    assert 'install "markdown-mailer[cards]"' in detail


def test_a_font_file_that_is_not_there_is_named(configure):
    configure(card_font="fonts/none.ttf")
    state, detail = found()
    assert state == "warning"
    assert "fonts/none.ttf" in detail


def test_letters_that_no_font_has_are_named_with_the_issue(configure):
    published(subject="Party 🎉")
    state, detail = found()
    assert state == "warning"
    assert "2026-11-20 has none" in detail
    assert "🎉 (U+1F389)" in detail
    assert found(database=False) == ("ok", "can be drawn")
    configure(about="With 🚀")
    assert "🚀 (U+1F680)" in found()[1]
