"""Addresses of another site, as front matter writes them."""

import pytest

from mailer.content.aliases import aliases_in, name_of
from mailer.content.issues import read_issue


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("/2019/06/29/title.html", "/2019/06/29/title.html"),
        ("/p/title/", "/p/title"),
        ("/p/title/index.html", "/p/title"),
        ("https://old.example.com/p/title/?utm=1#top", "/p/title"),
        ("posts/title", "/posts/title"),
        ("title-of-old", "title-of-old"),
        ("/%E7%AE%80%E6%8A%A5/", "/简报"),
        ("/a/../../etc/passwd", "/etc/passwd"),
        ("/", ""),
        ("", ""),
        ("/index.html", ""),
        ("https://[", ""),
        ("/" + "a" * 600, "/" + "a" * 499),
    ],
)
def test_an_address_is_known_by_its_path(written, name):
    assert name_of(written) == name
    assert name_of(name) == name


@pytest.mark.parametrize(
    "front",
    [
        "---\naliases:\n  - /old/a.html\n  - /old/b/\n---\n",
        "---\naliases: [/old/a.html, /old/b/]\n---\n",
        "---\nredirect_from: /old/a.html\npermalink: /old/b/\n---\n",
        '+++\naliases = ["/old/a.html", "/old/b/"]\n+++\n',
    ],
)
def test_hugo_and_jekyll_name_them(tmp_path, front):
    file = tmp_path / "2019-06-29.md"
    file.write_text(f"{front}# Boards\n\nText\n")
    assert read_issue(file).aliases == ("/old/a.html", "/old/b")


def test_patterns_and_addresses_of_something_else_are_no_aliases():
    assert aliases_in({"permalink": "/:year/:title/", "url": "https://example.com/paper"}) == ()
    assert aliases_in({"aliases": "/a, /a/", "alias": "/b"}) == ("/a", "/b")
