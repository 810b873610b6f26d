"""Styles reach elements as one call of premailer for the whole page would write them."""

import logging
import subprocess
import sys

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st
from premailer import Premailer

from mailer.content.colours import palette
from mailer.content.inlining import inline_styles

QUIET = {
    "disable_leftover_css": True,
    "disable_validation": True,
    "disable_basic_attributes": ["width", "height", "bgcolor", "align", "valign"],
    "align_floating_images": False,
    "cssutils_logging_level": logging.CRITICAL,
}


def by_premailer(content: str, css: str) -> str:
    page = f"<html><body><div>{content}</div></body></html>"
    whole = Premailer(page, css_text=css, strip_important=False, method="html", **QUIET).transform(pretty_print=False)
    return whole[whole.index("<div>") + 5 : whole.rindex("</div>")].replace("; ", ";")


def test_styles_are_written_into_elements_and_classes_stay():
    fragments = inline_styles(
        {"one": '<p class="x">a</p>', "two": "<pre>  b\n</pre>"}, "p { margin: 0 0 14px 0; height: auto }"
    )

    assert fragments == {"one": '<p class="x" style="margin:0 0 14px 0;height:auto">a</p>', "two": "<pre>  b\n</pre>"}


RULES = """
p { color: red !important; margin: 0 }  p.a { color: blue; margin: 1px 2px; border: unset }
#i { margin-top: 3px }  .a.b, td { padding: 0 }  p:hover { color: green }  p:first-child { top: 0 }
@media print { p { color: black } }  * { left: 0 }  .a { background: url("x;y") }
"""


def test_an_editors_own_rules_win_and_lose_as_premailer_has_it():
    content = '<p class="a b" id="i" style="color: Green; width: 3px">x</p><p>y</p><b style="top: 1px">z</b>'

    assert inline_styles({"one": content}, RULES)["one"] == by_premailer(content, RULES)


ELEMENTS = st.recursive(
    st.sampled_from(["x", "<hr>", "<img>", ""]),
    lambda inside: st.builds(
        "<{0}{1}{2}{3}>{4}</{0}>".format,
        st.sampled_from(["div", "span", "b", "code", "h2", "h3", "blockquote", "ul", "li"]),
        st.sampled_from(["", ' class="story"', ' class="source"', ' class="bar a"', ' class="wide"', ' class="a b"']),
        st.sampled_from(["", ' dir="rtl"', ' id="i"']),
        st.sampled_from(["", ' style="color: Red; margin: 0"', ' style="text-align:left"', ' style="nonsense"']),
        st.lists(inside, max_size=4).map("".join),
    ),
    max_leaves=12,
)


@given(ELEMENTS, st.sampled_from(["ltr", "rtl"]))
def test_any_content_gets_the_same_styles_as_from_premailer(content, direction):
    css = render_to_string("email/_parts/content.css", {"palette": palette("#0a58ca"), "direction": direction})

    for rules in (RULES, css):
        assert inline_styles({"one": content}, rules)["one"].replace("; ", ";") == by_premailer(content, rules)


@pytest.mark.parametrize(
    "rules", ["p > { margin: 0 }", "p { margin", "} p { x }", "p { : 1 } @", "p:nth-child(2) { top: 0 }"]
)
def test_a_rule_that_cannot_be_read_is_left_out(rules):
    assert inline_styles({"one": "<p>a</p>"}, f"p {{ color: red }} {rules}")["one"].startswith('<p style="color:red')


def test_no_text_is_lost_under_deep_nesting():
    deep = "<div>" * 400 + "end" + "</div>" * 400

    assert "end" in inline_styles({"one": deep}, "p { margin: 0 }")["one"]


def test_the_http_client_that_premailer_imports_is_loaded_only_when_used():
    look = """
import sys
from mailer.content import inlining
premailer = inlining._load_premailer()
print("requests" in sys.modules, "urllib3" in sys.modules)
used = premailer.premailer.requests.get
import requests
print(used is requests.get, "urllib3" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines() == ["False False", "True True"]
