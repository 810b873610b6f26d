import pytest
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.loader import get_template, render_to_string
from django.utils import translation

from mailer.content.mjml import MjmlTemplate, Slots, to_html
from tests.messages import catalogues, compiled

CONFIRMATION = {
    "newsletter_name": 'The <Weekly> & "Co"',
    "confirm_url": "https://news.example.com/confirm/a:b-c_d/?x=1&y=2",
    "postal_address": "1 Harbour Street\nSpringfield",
    "language": "zh-hans",
    "accent_color": "#f2b705",
}


def test_mjml_templates_are_found_by_this_engine_and_no_others():
    assert isinstance(get_template("email/confirmation/body.mjml"), MjmlTemplate)
    with pytest.raises(TemplateDoesNotExist):
        engines["mjml"].get_template("email/confirmation/body.txt")
    with pytest.raises(TemplateDoesNotExist):
        engines["mjml"].get_template("email/none.mjml")


def test_the_confirmation_is_a_whole_page_in_the_readers_language():
    with translation.override("zh-hans"):
        page = get_template("email/confirmation/body.mjml").render(CONFIRMATION)

    assert page.startswith("<!DOCTYPE html>")
    assert 'lang="zh-hans"' in page
    assert "确认订阅" in page
    assert "&lt;Weekly&gt; &amp; " in page
    assert 'href="https://news.example.com/confirm/a:b-c_d/?x=1&amp;y=2"' in page
    assert "Springfield" in page
    assert "mj-" not in page.replace("mj-column", "").replace("mj-outlook", "")


def test_the_confirmations_text_is_not_escaped():
    with translation.override("en"):
        subject = render_to_string("email/confirmation/subject.txt", CONFIRMATION).strip()
        text = render_to_string("email/confirmation/body.txt", CONFIRMATION)

    assert subject == 'Please confirm: The <Weekly> & "Co"'
    assert CONFIRMATION["confirm_url"] in text


def test_mail_loads_nothing_from_third_parties():
    page = get_template("email/confirmation/body.mjml").render(CONFIRMATION)

    assert "<link" not in page
    assert "@import" not in page


def test_broken_mjml_names_the_template():
    with pytest.raises(TemplateSyntaxError, match=r"mine\.mjml or a part that it includes is not valid MJML"):
        to_html("<mjml><mj-body>", "mine.mjml")


def test_slots_take_content_that_mrml_would_refuse():
    slots = Slots()
    token = slots.put("<p>a < b & {{ c }} <br></p>\\1")

    page = to_html(
        f"<mjml><mj-body><mj-section><mj-column><mj-text>{token}</mj-text></mj-column></mj-section></mj-body></mjml>",
        "x",
    )

    assert "<p>a < b & {{ c }} <br></p>\\1" in slots.fill(page)


def test_a_template_without_a_place_for_content_is_an_error():
    slots = Slots()
    slots.put("lost")

    with pytest.raises(TemplateSyntaxError, match='has no slot for "lost"'):
        slots.fill("<p></p>")


def test_columns_side_by_side_keep_their_classes_and_one_alone_needs_none():
    def page(columns: int) -> str:
        column = "<mj-column><mj-text>x</mj-text></mj-column>"
        return to_html(f"<mjml><mj-body><mj-section>{column * columns}</mj-section></mj-body></mjml>", "x")

    assert "mj-column-" not in page(1)
    assert "mj-outlook" not in page(1)
    assert page(2).count('class="mj-outlook-group-fix mj-column-per-50"') == 2
    assert ".mj-column-per-50 { width:50% !important;" in page(2)


@pytest.mark.parametrize("catalogue", catalogues(), ids=lambda path: path.parts[-3])
def test_compiled_translations_are_those_of_the_source(catalogue):
    assert catalogue.with_suffix(".mo").read_bytes() == compiled(catalogue), "run python -m tests.messages"
