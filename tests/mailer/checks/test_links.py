from dataclasses import replace

import pytest

from mailer.checks import check


def test_the_place_of_a_finding_is_that_of_the_link(findings):
    (told,) = findings("Read\nthe [paper](http://a.example/1) now.")
    assert (told.rule, told.line, told.column) == ("http", 10, 5)


def test_an_unencrypted_address_is_told_once(rules):
    assert rules("[One](http://a.example/) [Two](http://a.example/)") == ["http"]


def test_on_this_machine_and_in_its_network_nothing_is_encrypted(rules):
    assert "http" not in rules("Open [the page](http://localhost:8000/) or [that](http://wiki/).")


@pytest.mark.parametrize(
    "line", ["https://a.example/project", "- https://a.example/project。", "1. https://a.example/x"]
)
def test_an_address_alone_in_its_line_is_told(findings, line):
    told = findings(f"One line,\nanother.\n\n{line}\n")
    assert [(finding.rule, finding.line) for finding in told] == [("bare-url", 12)]


@pytest.mark.parametrize(
    "line",
    [
        "Project: https://a.example/project",
        "项目地址：https://a.example/project",
        "| Project | https://a.example/ |\n|---|---|",
        "<https://a.example/project>",
    ],
)
def test_an_address_with_a_label_or_in_angle_brackets_is_meant(rules, line):
    assert rules(line) == []


@pytest.mark.parametrize(
    "query",
    [
        "timestamp=15&signature=4pYN",
        "X-Amz-Expires=300",
        "token=abc",
        "se=2026-01-01&sp=r&sig=abc",
        "Expires=1&Signature=2",
    ],
)
def test_an_address_that_expires_is_told(rules, query):
    assert rules(f"[Words](https://a.example/s?{query})") == ["link-expiring"]


@pytest.mark.parametrize("query", ["se=north", "policy=privacy", "session=12", "tokens=3", "q=signature"])
def test_harmless_parameters_are_not(rules, query):
    assert rules(f"[Words](https://a.example/s?{query})") == []


def test_a_shortener_is_told(rules):
    assert rules("[Words](https://bit.ly/3x)") == ["link-shortener"]


@pytest.mark.parametrize(
    "words", ["https://bank.example/login", "www.bank.example", "bank.com", "https://a.example.evil.net/"]
)
def test_link_text_that_shows_another_host_looks_like_phishing(rules, words):
    assert "link-mismatch" in rules(f"[{words}](https://a.example/)")


@pytest.mark.parametrize(
    "words", ["Node.js", "deci.ai", "a.example", "www.a.example", "docs.a.example/x", "Read this.", "1.2.3"]
)
def test_names_with_a_dot_and_the_same_site_do_not(rules, words):
    assert "link-mismatch" not in rules(f"[{words}](https://a.example/)")


def test_two_stories_with_one_address_are_told(findings):
    (told,) = findings(
        "- [One](https://a.example/1)  \n  Text.\n- [Two](https://a.example/1)  \n  Text, as [said](https://a.example/1)."
    )
    assert told.rule == "link-duplicate"
    assert '"One" in line 9' in told.message


@pytest.mark.parametrize(
    "text",
    [
        "[![A board](a.png)](https://a.example/1)\n\n[Boards](https://a.example/1) are small.",
        "### [Boards](https://a.example/1)\n\n[They](https://a.example/1) are small.",
    ],
)
def test_an_image_a_title_and_its_text_may_lead_to_one_page(rules, text):
    assert "link-duplicate" not in rules(f"## News\n\n{text}")


def test_a_link_without_address_is_reported_by_its_text_and_one_without_text_by_its_address(findings):
    told = findings("Read [the *long* words]() now.\n\nSee [](https://a.example/) there, or []() here.")
    assert [(finding.rule, finding.line, finding.message.split(" has ")[0]) for finding in told] == [
        ("link-empty", 9, 'link "the long words"'),
        ("link-empty", 11, 'link "[]()"'),
        ("link-empty", 11, 'link to "https://a.example/"'),
    ]


@pytest.mark.parametrize(
    "link", ["[](https://a.example/1)", "- [ ][one]", "1. []()", '<a href="https://a.example/1"></a>']
)
def test_a_link_without_text_is_reported_even_if_nothing_of_its_paragraph_is_left(findings, link):
    (told,) = findings(f"[one]: https://a.example/1\n\n{link}\n\nText.")
    assert (told.rule, told.line) == ("link-empty", 11)
    assert link.split(". ")[-1].removeprefix("- ") in told.message


def test_empty_links_in_code_and_comments_do_not_count(rules):
    code = "```\n[](https://a.example/1)\n```\n\n    [](https://a.example/2)\n\n`[](https://a.example/3)`"
    comments = "<!-- [](https://a.example/4) -->\n\n<!--\n\n[](https://a.example/5)\n-->"
    assert "link-empty" not in rules(f"{code}\n\n{comments}\n\nText.")


def test_an_anchor_that_names_no_heading_is_told(rules):
    assert rules("[Down](#nowhere)\n\n## News\n\nText.") == ["anchor-broken"]


def test_what_a_template_leaves_relative_is_an_error(proof):
    good = proof("# Title\n\nText.\n")
    page = good.rendered.html.replace("</body>", '<a href="/about">About</a><a href="javascript:x()">x</a></body>')
    bad = replace(good, rendered=replace(good.rendered, html=page))
    errors = [finding.rule for finding in check(bad) if finding.severity == "error"]
    assert sorted(errors) == ["relative-left", "unsafe-target"]


def test_an_issues_own_bad_links_are_told_where_they_stand(findings):
    told = findings("[Words](javascript:alert(1))\n\n[Up](../../../etc/passwd)")
    assert [(finding.rule, finding.line) for finding in told] == [("unsafe-target", 9), ("relative-left", 11)]
