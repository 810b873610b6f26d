"""A plain style sheet means what premailer reads in it; any other is left to premailer."""

import re

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from mailer.content import inlining
from mailer.content.colours import palette
from mailer.content.plain_css import plain_declarations, plain_rules

NAMES = [
    "color",
    "margin",
    "margin-top",
    "font",
    "font-family",
    "border",
    "background-color",
    "x",
    "line-height",
    "width",
]
COLOURS = ["red", "Green", "inherit", "#ffffff", "#aabbcd", "#112233", "#00f", "unset"]
SIZES = ["0", "1", "14px", "-8px", "1.35", "0.5em", "1.50em", "100%", "0px", "010", "+1", "/"]
WORDS = [*COLOURS, *SIZES, "pre-wrap", "Consolas", "url(x)", "'a b'", "!important"]
VALUES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)
SELECTORS = [
    "p",
    "h2 a",
    "p.picture img",
    "ul[dir=rtl]",
    "span.hk",
    "h3.story a",
    "li  ul",
    "p , b",
    "a:hover",
    "*",
    "P",
    "#i",
]
DECLARATIONS = st.builds(
    "{}: {}".format, st.sampled_from(NAMES), st.builds(str.join, st.sampled_from([" ", ", "]), VALUES)
)
RULE = st.builds(
    "{} {{ {} }}".format, st.sampled_from(SELECTORS), st.lists(DECLARATIONS, min_size=1, max_size=4).map("; ".join)
)
SHEETS = st.lists(RULE, min_size=1, max_size=4).map("\n".join)


@given(SHEETS)
def test_a_plain_sheet_has_the_rules_that_premailer_finds(css):
    plain = plain_rules(css)
    if plain is not None:
        assert plain == list(inlining._by_premailer(css))


@given(st.lists(DECLARATIONS, min_size=1, max_size=4).map("; ".join))
def test_a_plain_attribute_declares_what_premailer_finds(own):
    plain = plain_declarations(own)
    if plain is not None:
        assert plain == inlining._own_by_premailer(own)


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_our_own_sheet_is_plain(direction):
    css = render_to_string("email/_parts/content.css", {"palette": palette("#0a58ca"), "direction": direction})
    assert plain_rules(css) == list(inlining._by_premailer(css))
    assert len(plain_rules(css) or ()) == len(re.findall("{", css))
