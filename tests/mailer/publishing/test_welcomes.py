# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""The files of a welcome become versions that workers send without the files."""

from dataclasses import replace

import pytest

from mailer.content.filling import Listed, fill
from mailer.models import Send, Welcome
from mailer.publishing import welcome_reports, welcomes
from mailer.publishing.errors import CorrectRequest
from mailer.publishing.preparing import prepare
from mailer.publishing.sending import Order, propose
from mailer.publishing.sends import find_send, find_welcome, is_welcome
from mailer.worker.welcoming import welcome_subscribers
from tests import readers
from tests.mailer.sending.conftest import _nothing_kept_from_another_database, _own_home, api  # noqa: F401
from tests.mailer.sending.outgoing import deliver_all, planned, states

pytestmark = pytest.mark.django_db

WELCOME = (
    "# Welcome\n\nThank you for subscribing.\n\n## The latest\n\n<!-- latest issue -->\n\n"
    "## Before\n\n<!-- back issues: 2 -->\n\n[Answer us](https://news.example.com/ask).\n"
)


@pytest.fixture
def newsletter(api, settings, tmp_path):
    """Return the only newsletter, in a folder of its own."""
    (tmp_path / "newsletter").mkdir()
    (tmp_path / "newsletter" / "newsletter.toml").write_text("")
    only = replace(settings.NEWSLETTERS["weekly"], folder=tmp_path / "newsletter")
    settings.NEWSLETTERS = {"weekly": only}
    settings.CONFIG = only.folder / "newsletter.toml"
    settings.CONFIG_FOLDER = only.folder
    settings.PROVIDER_IS_LOCAL = True
    return only


@pytest.fixture
def write(newsletter):
    def write(name: str = "welcome.md", text: str = WELCOME):
        path = newsletter.folder / name
        path.write_text(text)
        return path

    return write


def ready(newsletter):
    return [welcomes.get_ready(prepare(path, newsletter.label)) for path in welcomes.require_files(newsletter)]


def frozen(newsletter):
    return [version.send for version in welcomes.freeze(newsletter, ready(newsletter))]


def sent(number: int) -> Send:
    """Send an issue to somebody."""
    send = planned(slug=f"2026-11-{number}", source=f"issue {number}")
    deliver_all(send)
    return send


def test_without_a_file_there_is_no_welcome(newsletter):
    with pytest.raises(CorrectRequest, match=r"write .*/newsletter/welcome\.md"):
        welcomes.require_files(newsletter)


def test_each_language_has_a_file(newsletter, write):
    write(), write("welcome.de.md"), write("welcome.backup.md"), write("welcome-back.md")
    assert [path.name for path in welcomes.files_of(newsletter)] == ["welcome.md", "welcome.de.md"]
    assert [send.language for send in frozen(newsletter)] == ["en", "de"]


def test_with_several_newsletters_the_label_is_in_the_name(newsletter, write, settings):
    settings.NEWSLETTERS = {"weekly": newsletter, "daily": replace(newsletter, label="daily", name="The Daily")}
    write(), write("welcome.weekly.md"), write("welcome.daily.de.md")
    assert [path.name for path in welcomes.files_of(newsletter)] == ["welcome.weekly.md"]
    with pytest.raises(CorrectRequest, match="no welcome is in en, the language of The Daily"):
        welcomes.freeze(settings.NEWSLETTERS["daily"], ready(settings.NEWSLETTERS["daily"]))


def test_two_files_in_one_language_are_refused(newsletter, write):
    write(), write("welcome.en.md")
    with pytest.raises(CorrectRequest, match=r"welcome\.md and welcome\.en\.md are both in en"):
        frozen(newsletter)


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_what_is_filled_in_is_what_rendering_anew_would_say(newsletter, write, count):
    """Workers fill it in; `preview` and `send test` render it."""
    write()
    readers.crowd(1)
    for number in range(10, 10 + count):
        sent(number)
    (content,) = ready(newsletter)
    filled = fill(content.patterns, content.mark, welcomes.sent_issues("weekly"))
    rendered = content.plan.issue
    assert (filled["html"], filled["article"]) == (rendered.html, rendered.article)
    assert (filled["text"], filled["preheader"]) == (rendered.text, rendered.preheader)
    assert content.lists == 3


def test_it_needs_no_file_once_it_is_frozen(newsletter, write):
    path = write()
    (send,) = frozen(newsletter)
    path.unlink()
    readers.confirmed()
    welcome_subscribers()
    assert states(send) == ["accepted"]


def test_it_has_no_page_so_it_links_to_none(newsletter, write):
    write()
    (send,) = frozen(newsletter)
    assert "archive/welcome" not in send.html + send.text
    assert "Read on the web" not in send.html + send.text
    assert "All issues" in send.text


def test_it_has_no_contents_in_this_issue(newsletter, write):
    readers.crowd(1)
    sent(10), sent(11)
    write()
    (send,) = frozen(newsletter)
    assert "<h2" in send.html
    assert "In this issue" not in send.html


def test_a_list_at_its_very_beginning_is_what_the_inbox_shows(newsletter, write):
    write(text="# Welcome\n\n<!-- back issues: 10 -->\n")
    readers.crowd(1)
    sent(10), sent(11)
    (send,) = frozen(newsletter)
    assert send.preheader == "The Weekly 2026-11-11 The Weekly 2026-11-10"


def test_an_endless_list_has_ten(newsletter, write):
    write(text="# Welcome\n\nThank you.\n\n<!-- back issues -->\n")
    assert ready(newsletter)[0].lists == 10


def test_it_is_not_sent_as_an_issue(newsletter, write):
    with pytest.raises(CorrectRequest, match="`mailer send welcome` sends it to those who confirm"):
        propose(prepare(write(), None), Order())


def test_what_changed_since_is_known(newsletter, write):
    write(), write("welcome.de.md")
    frozen(newsletter)
    assert welcomes.changed_files(newsletter) == []
    write("welcome.de.md", WELCOME.replace("Thank", "Danke. Thank"))
    write("welcome.fr.md")
    assert [path.name for path in welcomes.changed_files(newsletter)] == ["welcome.de.md", "welcome.fr.md"]
    frozen(newsletter)
    (newsletter.folder / "welcome.fr.md").unlink()
    assert [path.name for path in welcomes.changed_files(newsletter)] == ["welcome.fr.md"]


def test_freezing_it_again_keeps_the_version(newsletter, write):
    write()
    assert frozen(newsletter) == frozen(newsletter)
    assert not welcomes.would_be_new(newsletter, ready(newsletter)[0])


def test_ending_what_there_is_not_is_refused(newsletter, write):
    with pytest.raises(CorrectRequest, match="no welcome that could be ended"):
        welcomes.turn_off(newsletter)
    write()
    frozen(newsletter)
    assert welcomes.turn_off(newsletter) == 0
    assert not Welcome.objects.exists()


def test_the_report_sums_up_all_versions(newsletter, write, api):
    write()
    (first,) = frozen(newsletter)
    readers.confirmed()
    welcome_subscribers()
    write(text=WELCOME.replace("Thank", "Many thanks. Thank"))
    (second,) = frozen(newsletter)
    readers.confirmed(who=readers.BEN)
    told = welcome_reports.report("weekly")
    assert (told["on"], told["due"], told["planned"], told["accepted"]) == (True, 1, 1, 1)
    assert [(one["version"], one["in_use"]) for one in told["versions"]] == [(second.slug, True), (first.slug, False)]
    welcomes.turn_off(newsletter)
    told = welcome_reports.report("weekly")
    assert (told["on"], told["due"], told["accepted"]) == (False, 0, 1)


def test_welcome_names_the_version_that_is_not_settled(newsletter, write, api):
    path = write()
    assert not is_welcome("welcome", None)
    (first,) = frozen(newsletter)
    readers.confirmed()
    api.fail("close after accepting")
    welcome_subscribers()
    write(text=WELCOME.replace("Thank", "Many thanks. Thank"))
    (second,) = frozen(newsletter)
    assert find_send("welcome", None) == find_send(str(path), None) == first
    Send.objects.filter(pk=second.pk).update(state="paused", reason="refused")
    with pytest.raises(CorrectRequest, match=f"{first.slug} of weekly, {second.slug} of weekly"):
        find_send("welcome", "weekly")
    assert find_send(second.slug, None) == second


def test_of_several_newsletters_that_have_a_welcome_one_must_be_named(newsletter, write, settings):
    with pytest.raises(CorrectRequest, match="there is no welcome"):
        find_welcome("welcome", None)
    write()
    (first,) = frozen(newsletter)
    assert find_welcome("welcome", None) == find_welcome("welcome", "weekly") == first
    other = replace(newsletter, label="daily", name="The Daily")
    settings.NEWSLETTERS = {"weekly": newsletter, "daily": other}
    write("welcome.daily.md")
    (second,) = frozen(other)
    with pytest.raises(CorrectRequest, match="choose one with --newsletter: daily, weekly"):
        find_welcome("welcome", None)
    assert find_welcome("welcome", "daily") == find_welcome("welcome.daily.md", None) == second
    welcomes.turn_off(other)
    assert find_welcome("welcome.daily.md", None) == second
    assert find_welcome("welcome", None) == first


def test_an_issue_called_welcome_is_not_taken_for_the_welcome(newsletter, write):
    readers.crowd(1)
    issue = planned(slug="welcome")
    assert find_send("welcome", None) == issue
    write()
    (version,) = frozen(newsletter)
    with pytest.raises(CorrectRequest, match=r"name the file of the issue, or the version .* welcome:en:1"):
        find_send("welcome", "weekly")
    assert find_send("welcome:en:1", None) == version


def test_titles_that_need_escaping_are_shown_as_they_are(newsletter, write):
    write()
    (content,) = ready(newsletter)
    odd = Listed("odd", "Chips & <script>alert(1)</script> *bold* [link](https://x.example)")
    filled = fill(content.patterns, content.mark, [odd])
    assert "<script>" not in filled["html"]
    assert "Chips &amp; &lt;script&gt;" in filled["html"]
    assert odd.title in filled["text"]


def test_an_arabic_list_of_issues_is_on_the_right(newsletter, write):
    write()
    write("welcome.ar.md", "# أهلًا\n\nنص\n\n<!-- back issues: 2 -->\n")
    content = next(one for one in ready(newsletter) if one.plan.issue.language == "ar")
    filled = fill(content.patterns, content.mark, [Listed("2026-11-20", "مقدمة")])
    assert "<ul>" in filled["article"]
    assert ">مقدمة</a>" in filled["html"]


def test_before_the_first_issue_only_sections_that_stay_empty_are_named(newsletter, write):
    text = WELCOME + "\n## Our rules\n\n## How to answer\n\nJust reply.\n"
    text += "\nBefore that\n-----------\n\n<!-- back issues: 5 -->\n"
    findings = prepare(write(text=text), None).rendered.findings
    assert [one.message for one in findings if one.rule == "section-empty"] == [
        'section "Our rules" has no text and is left out'
    ]


@pytest.mark.parametrize("before", [40, 70, 87, 100, 108])
def test_where_the_inbox_cuts_the_beginning_no_half_of_a_stand_in_is_left(newsletter, write, before):
    write(text=f"# Welcome\n\n{'嗨' * before}\n\n<!-- back issues: 3 -->\n")
    (content,) = ready(newsletter)
    filled = fill(content.patterns, content.mark, [Listed(f"{n}", f"Boards {n}") for n in range(3)])
    assert content.mark[:6] not in "".join(filled.values())
