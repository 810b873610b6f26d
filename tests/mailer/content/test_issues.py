from datetime import date
from pathlib import Path

import pytest

from mailer.content.issues import IssueError, read_issue


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str | bytes, name: str = "2019-06-29.md") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_title_date_and_slug_come_from_the_file_when_nothing_is_said(written):
    issue = read_issue(written("# 嵌入式AI简报\n\n正文\n"))

    assert (issue.title, issue.date, issue.slug) == ("嵌入式AI简报", date(2019, 6, 29), "2019-06-29")
    assert (issue.language, issue.newsletter, issue.body_line) == ("", None, 1)


@pytest.mark.parametrize(
    "front",
    [
        "---\ntitle: Rust: a #2 story\ndate: 2020-01-02\nlang: zh_Hans\nnumber: 007\n---\n",
        '+++\ntitle = "Rust: a #2 story"\ndate = 2020-01-02\nlanguage = "zh-hans"\nnumber = "007"\n+++\n',
        "Title: Rust: a #2 story\nDate: 2020-01-02\nLang: zh-hans\nNumber: 007\n\n",
    ],
    ids=["yaml", "toml", "pelican"],
)
def test_front_matter_is_read_in_three_forms(written, front):
    issue = read_issue(written(front + "Text\n"))

    assert (issue.title, issue.date) == ("Rust: a #2 story", date(2020, 1, 2))
    assert (issue.language, issue.number, issue.body) == ("zh-hans", "007", "Text\n")
    assert issue.body_line == front.count("\n") + 1


def test_emoji_codes_of_title_and_preheader_become_emoji(written):
    issue = read_issue(
        written('---\ntitle: ":tada: Version 2: out :rocket:"\npreheader: At 10:30:15 :wave:\n---\nText\n')
    )

    assert (issue.title, issue.preheader) == ("🎉 Version 2: out 🚀", "At 10:30:15 👋")
    assert read_issue(written("# :rocket: Release\n\nText\n")).title == "🚀 Release"


def test_a_first_paragraph_with_a_colon_is_not_front_matter(written):
    issue = read_issue(written("Note: we moved\n\n# Title\n"))

    assert issue.body.startswith("Note: we moved")


@pytest.mark.parametrize("written_date", ["9999-99-99", "soon", ""])
def test_a_date_that_is_none_gives_way_to_the_file_name(written, written_date):
    issue = read_issue(written(f"---\ntitle: A\ndate: {written_date}\n---\ntext\n"))

    assert issue.date == date(2019, 6, 29)


def test_windows_line_ends_marks_and_control_characters_are_gone(written):
    issue = read_issue(written(b"\xef\xbb\xbf# Title\r\n\r\nte\x08xt\r\n"))

    assert issue.body == "# Title\n\ntext\n"


@pytest.mark.parametrize("broken", ["\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_breaks_of_word_processors_glue_no_words_together(written, broken):
    issue = read_issue(written(f"---\ntitle: Bowls{broken}and cups\n---\nOld Mill{broken}Leek\n"))

    assert (issue.title, issue.body) == ("Bowls and cups", "Old Mill Leek\n")


def test_a_title_cannot_carry_a_line_break_into_a_header(written):
    issue = read_issue(written('---\ntitle: "Hello\\r\\nBcc: all@example.com"\n---\ntext\n'))

    assert issue.title.split() == ["Hello", "Bcc:", "all@example.com"]
    assert issue.title.isprintable()


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("2019-06-29.md", "2019-06-29"),
        ("Hello World.md", "hello-world"),
        ("第 12 期.md", "第-12-期"),
        ("autumn/index.md", "autumn"),
        ("winter/README.md", "winter"),
    ],
)
def test_the_slug_is_the_files_name_or_its_folders(written, name, slug):
    assert read_issue(written("# T\n\ntext\n", name)).slug == slug


def test_the_newsletters_folder_is_that_of_the_configuration_above_the_issue(written, tmp_path):
    config = tmp_path / "newsletter.toml"
    config.touch()
    path = written("# T\n\ntext\n", "issues/a.md")

    assert read_issue(path, config).folder == tmp_path.resolve()
    assert read_issue(path).folder == tmp_path.resolve()


def test_without_configuration_and_git_the_folder_is_the_issues_own(written, tmp_path):
    elsewhere = tmp_path / "other" / "newsletter.toml"

    assert read_issue(written("# T\n\ntext\n", "issues/a.md"), elsewhere).folder == (tmp_path / "issues").resolve()


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"# T\n\nna\xefve\n", 3, "not UTF-8"),
        ("# T\n".encode("utf-16"), 1, "UTF-16, not UTF-8"),
        ("# 周报\n".encode("gbk"), 1, "probably GBK"),
        ("---\ntitle: A\n", 1, "no end"),
        ("---\ntitle: A\nwhat: [1\n---\ntext\n", 3, "not YAML"),
        ("---\n<<<<<<< HEAD\ntitle: A\n=======\ntitle: B\n>>>>>>> x\n---\ntext\n", 2, "a merge in Git left"),
        ("---\na: &a x\nb: *a\n---\ntext\n", 2, "alias"),
        ("---\ntitle: !!python/object:os.system x\n---\ntext\n", 2, "tag"),
        ("---\n" + "x: y\n" * 5000 + "---\ntext\n", 1, "longer than"),
        ("+++\ntitle = A\n+++\ntext\n", 2, "not TOML"),
        (f"+++\ntitle = 'A'\nn = {'9' * 5000}\n+++\ntext\n", 3, "too long"),
        (f"+++\ntitle = 'A'\nn = 0x{'f' * 9000}\n+++\ntext\n", 3, "too long"),
        (f"+++\ntitle = 'A'\nn = {'[' * 3000}{']' * 3000}\n+++\ntext\n", 3, "too deeply"),
        (b"# T\n" + b"x" * 1_000_001, 1, "larger than 1 MB"),
        (b"\x89PNG\r\n\x1a\n\x00", 1, "binary file"),
        (b"PK\x03\x04\x14\x00", 1, "binary file"),
        (b"RIFF\x24\x0a\x00\x00WEBPVP8 ", 1, "binary file"),
    ],
)
def test_a_file_that_is_not_an_issue_says_where_and_why(written, content, line, says):
    path = written(content)

    with pytest.raises(IssueError) as error:
        read_issue(path)

    assert says in str(error.value)
    assert str(error.value).startswith(f"{path}:{line}:")
    assert "; " in str(error.value)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(IssueError, match="cannot be read"):
        read_issue(tmp_path / "none.md")
    with pytest.raises(IssueError, match="cannot be read"):
        read_issue(tmp_path / "nu\0l.md")


@pytest.mark.parametrize(
    "front",
    [
        "---\ntitle: A\nignore: [alt-filename, liquid]\n---\n",
        "---\ntitle: A\nignore:\n  - alt-filename\n  - liquid\n---\n",
        '+++\ntitle = "A"\nignore = ["alt-filename", "liquid"]\n+++\n',
        "Title: A\nIgnore: alt-filename liquid\n\n",
    ],
)
def test_an_issue_names_the_rules_it_does_not_want_to_hear_of(written, front):
    assert read_issue(written(front + "text\n")).ignore == {"alt-filename", "liquid"}


def test_a_title_with_a_line_break_is_found_with_its_line_and_a_layout_is_not(written):
    issue = read_issue(written('---\nlayout: post\ntitle: "A\\nBcc: x"\n---\ntext\n'))

    assert [(found.line, found.rule, found.severity) for found in issue.findings] == [
        (3, "header-control", "error"),
    ]


def test_an_error_is_also_a_finding(written):
    with pytest.raises(IssueError) as error:
        read_issue(written("---\ntags: [open\n---\n"))

    assert (error.value.finding.rule, error.value.finding.severity) == ("front-matter", "error")


def test_an_issue_without_a_title_can_be_read(written):
    assert read_issue(written("just text\n")).title == ""


def test_the_words_of_other_services_are_read_where_ours_are_absent(written):
    front = "---\nsubject: The subject\nexcerpt: Long.\nnumber: '#12'\n---\n# Heading\n\nText\n"
    issue = read_issue(written(front))
    assert (issue.title, issue.preheader, issue.number) == ("The subject", "Long.", "12")
    ours = front.replace("subject:", "title: Ours\nsubject:").replace("excerpt", "preview_text: Short.\nexcerpt")
    issue = read_issue(written(ours))
    assert (issue.title, issue.preheader) == ("Ours", "Short.")


@pytest.mark.parametrize("line", ["pubDate: 2026-11-20", "published: 2026-11-20", "日期: 2026年11月20日"])
def test_a_date_under_another_name_counts_where_ours_is_absent(written, line):
    assert str(read_issue(written(f"---\ntitle: A\n{line}\n---\nText.", "spring.md")).date) == "2026-11-20"
