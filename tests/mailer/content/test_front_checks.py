import time
from datetime import UTC, datetime, timedelta

import pytest

from mailer.content.findings import Finding
from mailer.content.front_checks import judge
from mailer.content.frontmatter import read_front_matter
from mailer.content.issues import read_issue


@pytest.fixture
def judged():
    """Judge the front matter of this text: `judged("---\\ntitle: A\\n---\\n")` → findings."""

    def judged(text: str) -> list[Finding]:
        front, lines = read_front_matter(text), text.split("\n")
        return list(judge(front, lines, "\n".join(lines[front.end :])))

    return judged


@pytest.mark.parametrize(
    "line",
    [
        "draft: true",
        "Draft: TRUE",
        "draft: yes",
        'draft: "true"',
        "draft: wip",
        "published: false",
        "publish: no",
        "status: draft",
        "status: Draft 2",
        "status: in progress",
        "post_status: pending",
        "send: false",
        "state: draft",
        "stage: first draft",
        "draft: “yes”",
        "draft: true,",
        "draft: 是",
        "草稿: 是",
        "状态：草稿",
        "is-draft: yes",
        "status: in review",
        "status: Entwurf",
        "ready: no",
        "published: draft",
        "status: review",
        "workflow: not ready",
        "private: true",
    ],
)
def test_an_issue_that_says_so_is_a_draft(judged, line):
    (told,) = judged(f"---\ntitle: Boards\n{line}\n---\nText.")
    assert (told.rule, told.severity, told.line) == ("draft", "error", 3)


@pytest.mark.parametrize(
    "line",
    [
        "draft: false",
        "draft:",
        "published: true",
        "published: 2026-11-20",
        "published:",
        "status: published",
        "status: hidden",
        "send: 2026-11-20",
        "email: ada@example.org",
        "status: 🟢",
        "status: ready",
        "sent: false",
        "stage: concept",
        "phase: review",
        "state: private",
        "workflow: pending",
        "phase: idea",
        "status: concept art",
        "tags: [draft, nba]",
        "状态: 已发布",
        "date: null",
        "reply_to: null",
    ],
)
def test_other_issues_are_not(judged, line):
    assert judged(f"---\ntitle: Boards\n{line}\n---\nText.") == []


def test_a_line_that_toml_takes_for_one_of_a_table_holds_a_draft_back(judged):
    (told,) = judged('+++\ntitle = "Boards"\n[cover]\nalt = "A board"\ndraft = true\n+++\nText.')
    assert (told.rule, told.message.split('"')[1]) == ("draft", "cover.draft: true")


@pytest.mark.parametrize("text", ['+++\ntitle = "A"\ndraft = true\n+++\n', "Title: A\nStatus: draft\n\nText."])
def test_every_form_of_front_matter_can_say_so(judged, text):
    assert [(finding.rule, finding.line) for finding in judged(text)] == [("draft", 3 if text.startswith("+") else 2)]


def test_each_line_that_must_change_is_named(judged):
    told = judged("---\ntitle: A\ndraft: true\npublished: false\nstatus: draft\n---\nText.")
    assert sorted(finding.line for finding in told) == [3, 4, 5]


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ("title: A\nsubject: B", 3, "the subject of the email is the title"),
        ("title: A\nemail_subject: B", 3, "the subject of the email is the title"),
        ("title: A\ndate: 2026-11-20\nDate: 2026-11-21", 3, '2 lines "date:"'),
        ("title: A\nlanguage: english", 3, "is not a language code"),
        ("title: A\nlang: chi", 3, "shorter code: zh-hans"),
        ("title: A\nsubtitle: And more", 3, "is not in the email"),
        ("title: A\nsend_at: 9:00", 3, "does not set when"),
        ("title: A\nsegment: paying", 3, "every subscriber of the newsletter does"),
        ("title: A\nreply_to: ada@example.org", 3, "does not change the sender"),
        ("title: A\nattachments:\n  - a.pdf", 3, "attaches nothing"),
    ],
)
def test_a_key_that_means_something_elsewhere_and_nothing_here_is_named(judged, lines, line, says):
    (told,) = judged(f"---\n{lines}\n---\nText.")
    assert (told.rule, told.severity, told.line, says in told.message) == ("key-unused", "warning", line, True)


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("24.11.2026", "write it as 2026-11-24"),
        ("11/24/2026", "write it as 2026-11-24"),
        ("24/11/2026", "write it as 2026-11-24"),
        ("04/04/2026", "write it as 2026-04-04"),
        ("Nov 24, 2026", "write it as 2026-11-24"),
        ("24 November 2026", "write it as 2026-11-24"),
        ("20261124", "write it as 2026-11-24"),
        ("03/04/2026", "write year, month and day, such as 2026-11-24"),
        ("2026-13-40", "write year, month and day, such as 2026-11-24"),
        ("tomorrow", "write year, month and day, such as 2026-11-24"),
    ],
)
def test_a_date_that_cannot_be_read_is_named_with_the_one_it_means(judged, written, fix):
    (told,) = judged(f"---\ntitle: A\ndate: {written}\n---\nText.")
    what = f'date "{written}" is not a date, so this issue has none'
    assert told == Finding(3, 1, "key-unused", "warning", what, fix)


@pytest.mark.parametrize(
    "written", ["", "null", "9999-99-99", "2026-11-24", "2026-11-24T09:00:00+01:00", "2026/1/2", "2026年11月24日"]
)
def test_a_date_that_is_read_or_stands_for_none_is_not(judged, written):
    assert judged(f"---\ntitle: A\ndate: {written}\n---\nText.") == []


def test_the_date_that_counts_instead_is_named(tmp_path):
    (tmp_path / "2026-11-20.md").write_text("---\ntitle: A\ndate: 24.11.2026\n---\nText.")
    (told,) = read_issue(tmp_path / "2026-11-20.md").findings
    assert told.message.endswith("so the one in its file name, folder or title counts: 20 November 2026")


def test_keys_of_web_sites_and_keys_that_are_used_are_not(judged):
    used = "title: A\nsubject: A\ndescription: B\nlanguage: pt_BR\ndate: 2026-11-20\nnumber: 1\nslug: a"
    of_sites = "tags: [a]\nauthor: Ada\npermalink: /a/\ncategories:\n  - b\ntoc: true\nweight: 1\nimage: true"
    assert judged(f"---\n{used}\n{of_sites}\naudience: everyone\n---\nText.") == []


@pytest.mark.parametrize(
    "lines",
    [
        "cover: images/board.png",
        "image: https://a.example/x?id=1",
        "featured_image: ../b.JPG",
        "hero:\n  image: a.webp",
        "images:\n  - a.png",
    ],
)
def test_an_image_that_only_the_front_matter_names_is_named(judged, lines):
    (told,) = judged(f"---\ntitle: A\n{lines}\n---\nText.")
    assert (told.rule, told.line) == ("image-unused", 3)


def test_an_image_that_the_text_shows_is_not_missing(judged):
    assert judged("---\ntitle: A\ncover: /img/board.png\n---\n![Board](images/board.png)") == []


def test_lines_count_from_the_top_of_the_file(judged):
    (told,) = judged("<!--\ndraft: one\n-->\n\n---\ntitle: A\ndraft: true\n---\nText.")
    assert told.line == 7


@pytest.mark.parametrize(
    ("rule", "fix"),
    [("alt-mising", "unknown rule; did you mean alt-missing?"), ("draft", "this rule cannot be ignored")],
)
def test_a_rule_that_is_ignored_in_vain_is_named(judged, rule, fix):
    (told,) = judged(f"---\ntitle: Boards\nignore: [http, {rule}, image-width]\n---\nText.")
    assert (told.rule, told.line, told.message) == ("key-unused", 3, f'"ignore: {rule}" has no effect')
    assert told.fix == fix


@pytest.mark.parametrize(
    ("written", "used"), [("../../x", "x"), ("https://a.example/x", "https-a.example-x"), ("posts/x", "posts-x")]
)
def test_a_slug_that_is_a_path_is_told_with_what_is_used(tmp_path, written, used):
    path = tmp_path / "a.md"
    path.write_text(f"---\ntitle: A\nslug: {written}\n---\nText\n")

    (told,) = read_issue(path).findings

    assert (told.rule, told.line, told.fix) == ("key-unused", 3, f"write slug: {used}")


@pytest.mark.parametrize("written", ["x", "My Boards", "/x/", "板子-1", "v1.2"])
def test_other_slugs_are_used_without_a_word(tmp_path, written):
    path = tmp_path / "a.md"
    path.write_text(f"---\ntitle: A\nslug: {written}\n---\nText\n", encoding="utf-8")
    assert read_issue(path).findings == ()


def test_a_day_on_which_a_site_would_no_longer_or_not_yet_show_the_text_is_told(judged):
    (expired,) = judged("---\ntitle: Boards\nexpiryDate: 2001-02-03\n---\nText.")
    assert (expired.rule, expired.line) == ("key-unused", 3)
    assert "has passed, and the issue would be sent all the same" in expired.message
    (awaited,) = judged("---\ntitle: Boards\npublishDate: 9998-01-01\n---\nText.")
    assert (awaited.rule, awaited.fix) == ("key-unused", "give the time to `mailer send issue --at`")
    assert judged("---\ntitle: Boards\nexpiryDate: 9998-01-01\npublishDate: 2001-02-03\n---\nText.") == []


@pytest.fixture(params=["Etc/GMT-14", "Etc/GMT+12"])  # at each moment another day than in UTC in one of them
def elsewhere(request, monkeypatch):
    """Let this machine stand in a far time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def test_a_day_passes_at_midnight_in_utc_wherever_the_machine_is(judged, elsewhere):
    today = datetime.now(UTC).date()
    assert judged(f"---\ntitle: Boards\nexpiryDate: {today + timedelta(days=1)}\n---\nText.") == []
    assert judged(f"---\ntitle: Boards\nexpiryDate: {today}\n---\nText.") != []
