from mailer.archive.articles import OPENING, read


def test_each_block_is_a_line_and_what_is_inside_of_it_runs_on():
    said = read(
        "<section><h2>Title</h2>\n<p>One <b>bold</b>\n&amp; <a>link</a><br>two</p><ul><li>a<li>b</ul></section>"
    )
    assert said.lines == ["Title", "One bold & link two", "a", "b"]


def test_the_opening_is_prose():
    said = read("<h2>Title</h2><p>Words.</p><pre>code</pre><table><tr><td>a</td><td>b</td></tr></table><p>More.</p>")
    assert said.lines == ["Title", "Words.", "code", "a b", "More."]
    assert said.opening == ["Words.", "More."]


def test_the_opening_ends():
    said = read("<p>" + "x" * 900 + "</p><p>" + "y" * 900 + "</p><p>z</p>")
    assert [line[0] for line in said.opening] == ["x", "y"]
    assert OPENING < 1_800


def test_images_are_named_in_order():
    assert read('<img src="/a.png"><p><img alt="" src="/b.png"><img alt=""></p>').images == ["/a.png", "/b.png"]
