import logging

import pytest
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.loader import get_template, render_to_string
from django.utils import translation
from premailer import Premailer

from mailer.content.mjml import MjmlTemplate, Slots, inline_styles, to_html
from tests.messages import catalogues, compiled

CONFIRMATION = {
    "newsletter_name": 'The <Weekly> & "Co"',
    "confirm_url": "https://news.example.com/confirm/a:b-c_d/?x=1&y=2",
    "postal_address": "1 Harbour Street\nSpringfield",
    "language": "zh-hans",
    "accent_color": "#f2b705",
}

QUIET = {
    "disable_leftover_css": True,
    "disable_validation": True,
    "disable_basic_attributes": ["width"],
    "align_floating_images": False,
    "cssutils_logging_level": logging.CRITICAL,
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


def test_styles_are_written_into_elements_and_classes_stay():
    fragments = inline_styles(
        {"one": '<p class="x">a</p>', "two": "<pre>  b\n</pre>"}, "p { margin: 0 0 14px 0; height: auto }"
    )

    assert fragments == {"one": '<p class="x" style="margin:0 0 14px 0;height:auto">a</p>', "two": "<pre>  b\n</pre>"}


def test_an_editors_own_rules_win_and_lose_as_premailer_has_it():
    rules = """
    p { color: red !important; margin: 0 }  p.a { color: blue; margin: 1px 2px; border: unset }
    #i { margin-top: 3px }  .a.b, td { padding: 0 }  p:hover { color: green }  p:first-child { top: 0 }
    @media print { p { color: black } }  * { left: 0 }  .a { background: url("x;y") }
    """
    content = '<p class="a b" id="i" style="color: Green; width: 3px">x</p><p>y</p><b style="top: 1px">z</b>'

    page = f"<html><body><div>{content}</div></body></html>"
    whole = Premailer(page, css_text=rules, strip_important=False, **QUIET).transform(pretty_print=False)

    assert inline_styles({"one": content}, rules)["one"] == whole[whole.index("<p") : -20].replace("; ", ";")


def test_columns_side_by_side_keep_their_classes_and_one_alone_needs_none():
    def page(columns: int) -> str:
        column = "<mj-column><mj-text>x</mj-text></mj-column>"
        return to_html(f"<mjml><mj-body><mj-section>{column * columns}</mj-section></mj-body></mjml>", "x")

    assert "mj-column-" not in page(1)
    assert "mj-outlook" not in page(1)
    assert page(2).count('class="mj-outlook-group-fix mj-column-per-50"') == 2
    assert ".mj-column-per-50 { width:50% !important;" in page(2)


def test_no_text_is_lost_under_deep_nesting():
    deep = "<div>" * 400 + "end" + "</div>" * 400

    assert "end" in inline_styles({"one": deep}, "p { margin: 0 }")["one"]


@pytest.mark.parametrize("catalogue", catalogues(), ids=lambda path: path.parts[-3])
def test_compiled_translations_are_those_of_the_source(catalogue):
    assert catalogue.with_suffix(".mo").read_bytes() == compiled(catalogue), "run python -m tests.messages"
