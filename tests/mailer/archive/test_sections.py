from mailer.archive.sections import Section, divided


def test_each_heading_links_to_itself():
    said = divided('<h2 dir="ltr">R &amp; <em>D</em>!</h2><p>a</p><h3 class="story">芯片 2</h3>', "Here")
    assert said.article == (
        '<h2 id="r-d" dir="ltr">R &amp; <em>D</em>! <a class="anchor" href="#r-d" aria-label="Here">#</a></h2><p>a</p>'
        '<h3 id="芯片-2" class="story">芯片 2 <a class="anchor" href="#芯片-2" aria-label="Here">#</a></h3>'
    )


def test_an_id_that_other_links_know_stays_and_no_two_are_equal():
    said = divided('<h2>News</h2><h2 id="news">News</h2><h2>News</h2><h2>Title</h2><h2>!</h2>', "")
    assert [one.anchor for one in said.contents] == ["news-2", "news", "news-3", "title-2", "section"]


def test_only_many_sections_are_named():
    assert divided("<h2>A</h2><h2>B</h2>", "").contents == ()
    assert divided("<h2>A</h2><h2>B &lt;</h2><h3>x</h3><h2><a href='/'>C</a></h2>", "").contents == (
        *(Section("a", "A"), Section("b", "B <"), Section("c", "C")),
    )


def test_an_editors_own_list_is_enough():
    own = '<ul><li><a href="#a">A</a></li><li><a class="x" href="#b">B</a></li></ul>'
    assert divided(f'{own}<h2 id="a">A</h2><h2 id="b">B</h2><h2>C</h2>', "").contents == ()


def test_other_headings_and_empty_ones_stay_as_they_are():
    article = '<h2><img src="/a.png" alt=""></h2><h4>A</h4><p>&lt;h2&gt;</p>'
    assert divided(article, "").article == article


def test_a_table_that_scrolls_is_reached_by_the_keyboard():
    assert divided('<div class="wide"><table></table></div>', "").article.startswith('<div class="wide" tabindex="0">')
