import pytest


@pytest.mark.parametrize(
    ("address", "rule", "severity"),
    [
        ("https://https://a.example/", "link-broken", "error"),
        ("mailto:", "link-broken", "error"),
        ("http://localhost:1313/posts/", "link-local", "warning"),
        ("http://192.168.1.7/", "link-local", "warning"),
        ("http://wiki/x", "link-local", "warning"),
        ("https://ada:secret@a.example/", "link-private", "error"),
        ("https://news.example.com/unsubscribe/AAAAAAAAAAGT1abc/", "link-private", "error"),
        ("https://www.google.com/url?q=https://a.example/x", "link-redirect", "warning"),
        ("www.a.example/x", "relative-left", "error"),
        ("https//a.example/x", "relative-left", "error"),
        ("https：//a.example/x", "relative-left", "error"),
        ("https://boards.ngrok.io/x", "link-local", "warning"),
        ("https://news.example.com/u/5f0c7a9e6a0f4a36/unsubscribe", "link-private", "error"),
        ("ada@a.example", "relative-left", "error"),
        ("github.com/a/b", "relative-left", "error"),
        ("a-site.org", "relative-left", "error"),
    ],
)
def test_a_link_that_no_subscriber_can_use_is_told_once(findings, address, rule, severity):
    (told,) = findings(f"Read\n[the words]({address}), and [more]({address}).")
    assert (told.rule, told.severity, told.line) == (rule, severity, 10)


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("http://localhost:3000/x", "link-local"),
        ("https://192.168.1.1/admin", "link-local"),
        ("https://ada:secret@a.example/", "link-private"),
    ],
)
def test_a_bare_address_that_no_subscriber_can_use_is_found(findings, address, rule):
    (told,) = findings(f"See {address} please, and the pages around it.")
    assert (told.rule, told.line, told.column) == (rule, 9, 5)


def test_the_fix_is_the_address_that_was_meant(findings):
    fixes = [
        findings(f"[Words]({address})")[0].fix
        for address in (
            "www.a.example/x",
            "https//a.example/x",
            "http//:a.example/x",
            "http:/a.example/x",
            "https:///a.example/x",
            "https：//a.example/x",
            "ada@a.example",
            "https://google.com/url?q=https://b.example/",
        )
    ]
    assert fixes == [
        "write https://www.a.example/x",
        *["write https://a.example/x"] * 5,
        "write mailto:ada@a.example",
        "write https://b.example/",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Open <http://localhost:8000/>.",
        "Open [http://localhost:8000](http://localhost:8000/).",
        "Open [localhost](http://localhost:8000/) now.",
        "Log in with <https://ada:secret@a.example/>.",
        "`http://wiki/x`",
        "[Mail](mailto:?subject=Read%20this)",
        "[Notes](notes.org)",
        "[The code](src/a.io/)",
    ],
)
def test_an_address_that_the_text_is_about_is_meant(rules, tmp_path, text):
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "notes.org").touch()
    assert rules(text) == []


def test_a_placeholder_is_told_as_one(rules):
    assert "link-broken" not in rules("[Words](https://{{host}}/x)")
    assert "link-local" not in rules("[Words](https://…)")


def test_a_port_that_does_not_exist_is_told_once_and_not_as_lost_text(rules):
    assert rules("[Words](https://a.example:443443/x)") == ["relative-left"]


@pytest.mark.parametrize("address", ["https//a.example/x", "www.a.example/x", "ada@a.example"])
def test_the_fix_is_the_same_where_relative_addresses_lead_nowhere(findings, address):
    (there,) = findings(f"[Words]({address})")
    (nowhere,) = findings(f"[Words]({address})", source_url="")
    assert nowhere.fix == there.fix


def test_a_link_with_a_space_in_its_host_is_told_once(rules):
    assert rules("Read [this](https://exam ple.org/a) first.") == ["markup-left"]


@pytest.mark.parametrize(
    "text",
    [
        r"Say \[x](https://ada:secret@a.example/z) here.",
        "Read [part one] (really)](https://list.example.org/unsubscribe?email=me@example.org&id=5)",
    ],
)
def test_an_address_behind_a_link_that_is_none_still_tells_no_secret(findings, text):
    assert "link-private" in {one.rule for one in findings(text)}
