"""Templates in the editor's folder replace ours, as the commands that an editor runs see them."""

from pathlib import Path

import pytest

from tests.processes.stage import Stage

FILE = "issues/2026-11-20.md"


@pytest.fixture
def own(embedded: Stage) -> Path:
    """Return the folder of the editor's own templates for issues."""
    folder = embedded.folder / "templates" / "email" / "issue"
    folder.mkdir(parents=True)
    return folder


def test_a_template_of_the_editors_own_is_what_the_mail_is_made_of(embedded: Stage, own: Path):
    (own / "footer.html").write_text('<p>Printed on {{ newsletter.name }} paper. <a href="{{ unsubscribe }}">Leave</a>')
    embedded.run("render", FILE, "-o", "out")
    html = (embedded.folder / "out" / "2026-11-20.html").read_text()
    assert "Printed on 嵌入式周报 paper." in html
    assert "A board for everybody" in html, "the rest is as it was"


def test_a_broken_one_is_named_with_its_line(embedded: Stage, own: Path):
    (own / "footer.html").write_text("<p>Printed\n{% if %} on paper.</p>")
    told = embedded.run("render", FILE, "-o", "out", expect=2).err
    assert f"{own / 'footer.html'}:2 Unexpected end of expression in if tag; fix the template" in told
    assert not (embedded.folder / "out").exists()
    (own / "footer.html").unlink()

    (own / "body.mjml").write_text("<mjml><mj-body><mj-section></mj-body></mjml>")
    told = embedded.run("check", FILE, expect=2).err
    assert f"{own / 'body.mjml'} or a part that it includes is not valid MJML" in told
