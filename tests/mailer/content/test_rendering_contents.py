"""The line that names the sections: where the editor did not list them, and without a gap above it."""

import pytest
from lxml import html as lxml_html

LINE = "In this issue"
SECTIONS = "## News\n\nText one.\n\n## Past\n\nText two.\n"


@pytest.mark.parametrize(
    "contents",
    [
        "- [News](#news)\n- [Past](#past)\n\n",
        "[News](#news) · [Past](#past)\n\n",
        "## Contents\n\n1. [News](#news)\n2. [Past](#past)\n\n",
    ],
)
def test_a_contents_list_of_the_editors_own_replaces_the_line(rendered, contents):
    assert LINE not in rendered(f"# T\n\n{contents}{SECTIONS}").html


@pytest.mark.parametrize("before", ["", "Hello.\n\n", "See [Past](https://a.example/#past).\n\n"])
def test_an_issue_without_one_gets_the_line(rendered, before):
    assert LINE in rendered(f"# T\n\n{before}{SECTIONS}").html


def test_a_link_to_one_section_is_no_contents_list(rendered):
    assert LINE in rendered(f"# T\n\nSee [Past](#past).\n\n{SECTIONS}## More\n\nText.\n").html


@pytest.mark.parametrize(("before", "ruled"), [("", False), ("Hello.\n\n", True)])
def test_the_line_is_set_off_only_from_text_above_it(rendered, before, ruled):
    page = lxml_html.document_fromstring(rendered(f"# T\n\n{before}{SECTIONS}").html)

    (line,) = page.xpath(f"//div[contains(@class, 'muted')][contains(., '{LINE}')]")
    assert ("border-top" in line.get("style")) is ruled


def test_no_line_begins_with_the_dot_between_two_sections(rendered):
    page = lxml_html.document_fromstring(rendered(f"# T\n\n{SECTIONS}").html)

    (line,) = page.xpath(f"//div[contains(@class, 'muted')][contains(., '{LINE}')]")
    assert line.text_content().endswith("News\u00a0· Past")


def test_a_link_in_a_section_heading_looks_like_one(rendered):
    page = lxml_html.document_fromstring(rendered("# T\n\n## [News](https://a.example)\n\nText.\n").html)

    (link,) = page.xpath("//h2/a")
    assert "color:#" in link.get("style")
    assert "text-decoration" not in link.get("style")
