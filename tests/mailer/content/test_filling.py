"""A welcome lists issues that were sent after it was rendered."""

from mailer.content.filling import Listed, fill, mark_for, slug_at, title_at

MARK = mark_for("# Welcome")
NEWEST, OLDER = Listed("2026-11-27", 'Chips & <boards>, the "new" ones'), Listed("工业", "An  old\none")


def pattern(count: int) -> dict[str, str]:
    items = [f"{title_at(MARK, n)} /archive/{slug_at(MARK, n)}/" for n in range(count)]
    return dict.fromkeys(("html", "article", "text", "preheader"), " | ".join(items))


PATTERNS = [pattern(count) for count in range(3)]


def test_titles_are_escaped_in_html_and_plain_in_text():
    filled = fill(PATTERNS, MARK, [NEWEST])
    expected = "Chips &amp; &lt;boards&gt;, the &quot;new&quot; ones /archive/2026-11-27/"
    assert filled["html"] == filled["article"] == expected
    assert filled["text"] == filled["preheader"] == f"{NEWEST.title} /archive/2026-11-27/"


def test_as_many_are_listed_as_there_are_and_as_there_is_room_for():
    assert fill(PATTERNS, MARK, [])["html"] == ""
    assert fill(PATTERNS, MARK, [NEWEST, OLDER, NEWEST])["text"].count("/archive/") == 2


def test_addresses_are_quoted_and_titles_are_one_line():
    assert fill(PATTERNS, MARK, [OLDER])["text"] == "An old one /archive/%E5%B7%A5%E4%B8%9A/"


def test_the_mark_is_in_nothing_that_the_editor_wrote():
    assert mark_for(MARK) not in MARK


def test_a_title_that_looks_like_a_stand_in_is_not_filled_twice():
    odd = Listed("odd", title_at(MARK, 1))
    assert fill(PATTERNS, MARK, [odd, NEWEST])["text"].startswith(f"{title_at(MARK, 1)} /archive/odd/")
