"""An issue reads from right to left if its language does, and each text around it in its own direction."""

import pytest
from lxml import html as lxml_html


def test_a_whole_issue_reads_from_right_to_left(rendered):
    mail = rendered("---\nlanguage: ar\n---\n# مرحبا\n\nنص\n\n- بند\n")

    assert '<html lang="ar" dir="rtl"' in mail.html
    assert "direction:ltr" not in mail.html.replace('direction:ltr">', "")
    assert "text-align:left;color:#1f2328" not in mail.html


@pytest.mark.parametrize(("language", "link", "direction"), [("ar", "كل الأعداد", None), ("he", "All issues", "ltr")])
def test_the_text_around_an_issue_reads_in_the_direction_of_its_own_language(rendered, language, link, direction):
    page = lxml_html.document_fromstring(rendered(f"---\nlanguage: {language}\n---\n# T\n\nx\n").html)
    (found,) = [a for a in page.iter("a") if a.text == link]
    assert found.getparent().get("dir") == direction


def test_a_latin_postal_address_in_an_arabic_email_reads_from_left_to_right(rendered):
    page = lxml_html.document_fromstring(rendered("---\nlanguage: ar\n---\n# مرحبا\n\nنص\n").html)
    (address,) = [p for p in page.iter("p") if "Harbour Street" in p.text_content()]
    assert address.get("dir") == "ltr"
