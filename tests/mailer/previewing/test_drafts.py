from tests.mailer.previewing.conftest import CONFIG, ISSUE


def test_a_draft_is_the_issue_as_it_is_now(desk, file):
    at = desk()
    first = at.draw()
    file.write_text(ISSUE.replace("First lines", "Other lines"))
    second = at.draw()

    assert (first.version, second.version) == (1, 2)
    assert "First lines" in first.rendered.html
    assert "Other lines" in second.rendered.html
    assert second.source == file.read_text()
    assert second.trouble is None


def test_a_mistake_keeps_the_last_good_mail_and_names_its_place_until_it_is_fixed(desk, file):
    at = desk()
    good = at.draw()
    file.write_text("---\ntags: [open\n---\n\nText\n")
    bad = at.draw()
    file.write_text(ISSUE)
    corrected = at.draw()

    assert bad.trouble.line == 2
    assert "front matter" in bad.trouble.message
    assert bad.rendered == good.rendered
    assert bad.source.startswith("---\ntags: [open")
    assert bad.findings == ()
    assert (corrected.trouble, corrected.rendered) == (None, good.rendered)


def test_an_issue_that_was_never_good_shows_only_its_mistake(desk, file):
    file.write_bytes(b"# Weekly\n\ncaf\xe9\n")
    draft = desk().draw()

    assert draft.rendered is None
    assert (draft.trouble.line, draft.trouble.column) == (3, 4)
    assert draft.source == "# Weekly\n\ncaf�\n"


def test_a_file_that_is_gone_for_a_moment_is_a_mistake_like_others(desk, file):
    at = desk()
    at.draw()
    file.unlink()
    assert "cannot be read" in at.draw().trouble.message
    file.write_text(ISSUE)
    assert at.draw().trouble is None


def test_findings_stand_at_lines_of_the_file(desk, file):
    file.write_text(ISSUE + "\n![Gone](images/gone.png)\n")
    draft = desk().draw()

    missing = next(finding for finding in draft.findings if finding.rule == "image-missing")
    assert file.read_text().splitlines()[missing.line - 1] == "![Gone](images/gone.png)"
    assert missing.severity == "error"
    assert draft.trouble is None


def test_newsletter_toml_is_read_anew_and_its_mistakes_are_shown(desk, folder):
    at = desk()
    (folder / "newsletter.toml").write_text(CONFIG.replace("The Weekly", "The Daily"))
    assert at.draw().newsletter.name == "The Daily"
    (folder / "newsletter.toml").write_text(CONFIG + 'acent = "#000000"\n')
    assert "newsletter.toml:5" in at.draw().trouble.message


def test_several_newsletters_and_none_chosen_is_told_on_the_page(desk, folder):
    (folder / "newsletter.toml").write_text(CONFIG + CONFIG.replace("weekly", "daily"))

    assert "weekly, daily" in desk().draw().trouble.message
    assert desk(label="daily").draw().newsletter.label == "daily"


def test_a_template_of_the_editors_own_is_read_anew(desk, folder, settings):
    own = folder / "templates"
    (own / "email" / "issue").mkdir(parents=True)
    subject = own / "email" / "issue" / "subject.txt"
    subject.write_text("One: {{ title }}")
    settings.TEMPLATES = [{**engine, "DIRS": [own, *engine.get("DIRS", [])]} for engine in settings.TEMPLATES]
    at = desk(template_folders=(own,))

    assert at.draw().rendered.subject == "One: Weekly"
    subject.write_text("Two: {{ title }}")
    assert at.draw().rendered.subject == "Two: Weekly"
    subject.write_text("{% nonsense %}")
    assert f"{subject}:1 Invalid block tag on line 1: 'nonsense'" in at.draw().trouble.message
    assert subject in at.files()


def test_the_files_watched_are_those_that_the_mail_is_made_of(desk, folder, file):
    file.write_text(ISSUE + '\n![Gone](<later on/a (1).png>) <img src="raw.gif">\n\n[ref]: /up/there.jpg\n')
    at = desk()
    at.look()
    watched = set(at.files())

    assert {file, folder / "newsletter.toml", folder / "images" / "board.png"} <= watched
    assert {folder / "later on" / "a (1).png", folder / "raw.gif", folder / "up" / "there.jpg"} <= watched
    assert any(path.name == "body.mjml" for path in watched)
    assert not any("example.com" in str(path) for path in watched)


def test_an_issue_that_is_marked_as_a_draft_is_shown_like_any_other(desk, file):
    file.write_text(file.read_text().replace("---\n", "---\ndraft: true\n", 1))
    drawn = desk().draw()
    assert drawn.trouble is None
    assert drawn.rendered is not None
    assert [(finding.rule, finding.line) for finding in drawn.findings if finding.severity == "error"] == [("draft", 2)]
