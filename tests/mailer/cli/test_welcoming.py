# ruff: noqa: F811 — the fixtures are those of tests/mailer/publishing
"""`mailer send welcome` and `mailer status welcome`, as an editor types them."""

import json
from dataclasses import replace

import pytest

from mailer.cli import steering, watching
from mailer.cli.terminal import Problem
from mailer.models import ProviderAccount, Send, Welcome
from mailer.publishing import welcomes
from mailer.worker.sweeping import sweep
from mailer.worker.welcoming import welcome_subscribers
from subscribers.models import WelcomeDue
from tests import readers
from tests.mailer.publishing.test_welcomes import WELCOME, newsletter, write  # noqa: F401 — the same stage
from tests.mailer.sending.conftest import _nothing_kept_from_another_database, _own_home, api  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ready(run, newsletter, up_to_date):
    sweep()
    return run


def test_a_dry_run_shows_what_would_change_and_changes_nothing(ready, write):
    write(), write("welcome.de.md")
    shown = ready("send", "welcome", "--dry-run")
    assert (shown.code, '"Welcome" (welcome.md, lists 3 issues): new' in shown.out) == (0, True)
    told = json.loads(ready("send", "welcome", "--dry-run", "--json").out)
    assert [(one["language"], one["action"]) for one in told["versions"]] == [("en", "add"), ("de", "add")]
    assert not Welcome.objects.exists()


def test_it_asks_before_anybody_is_emailed(ready, write, terminal):
    write()
    refused = ready("send", "welcome")
    assert (refused.code, "add --yes to go ahead" in refused.err) == (4, True)
    terminal("n\n")
    assert ready("send", "welcome").code == 4
    assert not Welcome.objects.exists()
    terminal("y\n")
    done = ready("send", "welcome")
    assert (done.code, "The Weekly welcomes its subscribers with welcome:en:1" in done.out) == (0, True)
    again = ready("send", "welcome")
    assert (again.code, "already in use as it is" in again.out) == (0, True)


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_interrupt_leaves_the_welcome_whole_and_says_how_to_look(ready, write, monkeypatch, is_kept):
    freeze = welcomes.freeze

    def interrupted(*given):
        if is_kept:
            freeze(*given)
        raise KeyboardInterrupt

    write()
    monkeypatch.setattr(welcomes, "freeze", interrupted)
    ended = ready("send", "welcome", "--yes")
    assert (ended.code, "`mailer status welcome` shows what is in use" in ended.err) == (1, True)
    monkeypatch.setattr(welcomes, "freeze", freeze)
    again = ready("send", "welcome", "--yes").out
    assert ("already in use as it is" if is_kept else "welcomes its subscribers with welcome:en:1") in again


def test_findings_that_block_name_the_file(ready, write):
    path = write(text="# Welcome\n\n![](gone.png)\n")
    refused = ready("send", "welcome", "--yes")
    assert (refused.code, f"{path}:3:" in refused.err, "nothing was done" in refused.err) == (3, True, True)
    assert not Welcome.objects.exists()


def test_without_a_file_it_says_what_to_write(ready):
    refused = ready("send", "welcome", "--yes")
    assert (refused.code, "welcome.md, as you write an issue" in refused.err) == (2, True)


def test_the_file_is_checked_rendered_and_tested_like_an_issue(ready, write, api, tmp_path):
    path = write()
    assert ready("check", path).code == 0
    assert ready("render", path, "-o", tmp_path / "out").code == 0
    assert "Thank you" in (tmp_path / "out" / "welcome.txt").read_text()
    assert ready("send", "test", path, "--to", "editor@news.example.org").code == 0
    assert [one["email"] for one in api.recipients] == ["editor@news.example.org"]
    refused = ready("send", "issue", path, "--yes")
    assert (refused.code, "is the welcome of The Weekly" in refused.err) == (2, True)
    assert not Send.objects.exists()


def test_status_shows_who_got_it(ready, write):
    write()
    ready("send", "welcome", "--yes")
    readers.confirmed()
    welcome_subscribers()
    readers.confirmed(who=readers.BEN)
    shown = ready("status", "welcome")
    assert shown.code == 0
    assert "weekly: the welcome is on; 1 subscriber due" in shown.out
    assert "planned 1 = accepted 1 + skipped 0" in shown.out
    assert "welcome:en:1  in use, since" in shown.out
    told = json.loads(ready("status", "welcome", "--json").out)
    assert (told["due"], told["accepted"], told["versions"][0]["version"]) == (1, 1, "welcome:en:1")
    assert "welcome" not in ready("status").out


def test_what_is_unknown_is_shown_and_settled_by_reconcile(ready, write, api):
    write()
    ready("send", "welcome", "--yes")
    readers.confirmed()
    api.fail("close after accepting")
    welcome_subscribers()
    shown = ready("status", "welcome")
    assert (shown.code, "mailer reconcile welcome:en:1 shows" in shown.out) == (5, True)
    assert ready("reconcile", "welcome").code == 5
    assert ready("reconcile", "welcome", "--assume-sent", "--yes").code == 0
    assert ready("status", "welcome").code == 0


def test_a_paused_version_says_why_and_how_to_go_on(ready, write, api):
    write()
    ready("send", "welcome", "--yes")
    readers.confirmed()
    api.fail("forbidden")
    welcome_subscribers()
    shown = ready("status", "welcome")
    assert "to resume: mailer resume welcome:en:1" in shown.out


def test_it_is_paused_and_resumed_as_a_whole(ready, write, api):
    write(), write("welcome.de.md")
    assert "there is no send 'welcome'" in ready("pause", "welcome").err
    ready("send", "welcome", "--yes")
    paused = ready("pause", "welcome")
    assert (paused.code, paused.out.count(": paused"), paused.err) == (0, 2, "")
    assert "weekly: the welcome is on, but paused; 0 subscribers due" in ready("status", "welcome").out
    readers.confirmed()
    welcome_subscribers()
    assert api.recipients == []
    unchanged = ready("send", "welcome", "--yes").out
    assert "already in use as it is" in unchanged
    assert "weekly/welcome:en:1 is paused" in unchanged
    told = [json.loads(line) for line in ready("resume", "welcome", "--detach", "--json").out.splitlines()]
    assert [(one["slug"], one["state"]) for one in told] == [("welcome:en:1", "finished"), ("welcome:de:2", "finished")]
    welcome_subscribers()
    assert [one["email"] for one in api.recipients] == ["ada@readers.example"]
    assert "is finished, so there is nothing to resume" in ready("resume", "welcome").err
    ready("send", "welcome", "--off", "--yes")
    assert "there is nothing to pause" in ready("pause", "welcome").err


def test_a_former_version_is_not_paused_and_the_one_in_use_is_named(ready, write):
    write()
    ready("send", "welcome", "--yes")
    write(text=WELCOME.replace("Thank", "Many thanks. Thank"))
    ready("send", "welcome", "--yes")
    refused = ready("pause", "welcome:en:1")
    assert (refused.code, "`mailer pause welcome` pauses the version in use" in refused.err) == (1, True)
    assert ready("pause", "welcome:en:2").code == 0


def test_what_is_paused_is_resumed_and_watched_until_it_ends(ready, write, api):
    write(), write("welcome.de.md")
    ready("send", "welcome", "--yes")
    ready("pause", "welcome")
    done = ready("resume", "welcome")
    assert (done.code, done.out.count(": finished")) == (0, 2)


def test_a_text_that_was_replaced_is_not_resumed_with_the_welcome(ready, write, api):
    write()
    ready("send", "welcome", "--yes")
    readers.confirmed()
    api.fail("forbidden")
    welcome_subscribers()
    write(text=WELCOME.replace("Thank", "Many thanks. Thank"))
    ready("send", "welcome", "--yes")
    refused = ready("resume", "welcome")
    assert (refused.code, "only a text that you replaced is paused: welcome:en:1" in refused.err) == (1, True)
    ready("pause", "welcome")
    resumed = ready("resume", "welcome", "--detach")
    assert "not resumed, because you replaced its text: welcome:en:1 is paused" in resumed.err
    assert dict(Send.objects.values_list("slug", "state")) == {"welcome:en:1": "paused", "welcome:en:2": "finished"}
    assert ready("resume", "welcome:en:1", "--detach").code == 0


def test_versions_of_another_account_do_not_keep_the_others_from_going_on(ready, write, settings):
    write(), write("welcome.de.md")
    ready("send", "welcome", "--yes")
    ready("pause", "welcome")
    other = ProviderAccount.objects.create(name="another", host="api.sendgrid.com")
    Send.objects.filter(slug="welcome:en:1").update(account=other)
    resumed = ready("resume", "welcome", "--detach")
    assert (resumed.code, "mailer: welcome:en:1" in resumed.err) == (0, True)
    assert Send.objects.get(slug="welcome:de:2").state == "finished"


def test_what_another_command_resumed_meanwhile_keeps_nothing_from_going_on(ready, write):
    write(), write("welcome.de.md")
    ready("send", "welcome", "--yes")
    ready("pause", "welcome")
    found = list(Send.objects.order_by("pk"))
    Send.objects.filter(pk=found[0].pk).update(state="finished")
    assert steering._resumed(found) == found[1:]
    assert Send.objects.get(pk=found[1].pk).state == "finished"
    with pytest.raises(Problem, match="is finished, so there is nothing to resume"):
        steering._resumed(found[1:])


@pytest.mark.parametrize(("interruption", "state"), [(KeyboardInterrupt, "paused"), (watching._Terminated, "finished")])
def test_an_interruption_ends_watching_all_versions(ready, write, monkeypatch, interruption, state):
    write(), write("welcome.de.md")
    ready("send", "welcome", "--yes")
    ready("pause", "welcome")
    watched = []

    def follow(send: Send) -> None:
        watched.append(send.slug)
        raise interruption

    monkeypatch.setattr(watching, "_follow", follow)
    ready("resume", "welcome")
    assert watched == ["welcome:en:1"]
    assert set(Send.objects.values_list("state", flat=True)) == {state}


def test_a_pause_says_that_the_version_in_use_was_cancelled(ready, write):
    write()
    ready("send", "welcome", "--yes")
    Send.objects.update(state="cancelled")
    refused = ready("pause", "welcome")
    assert "there is nothing to pause: welcome:en:1 is cancelled, so those who confirm wait" in refused.err


def test_off_ends_it_and_says_who_waited(ready, write):
    write()
    assert ready("send", "welcome", "--off", "--yes").code == 2
    ready("send", "welcome", "--yes")
    readers.confirmed()
    assert ready("send", "welcome", "--off").code == 4
    done = ready("send", "welcome", "--off", "--yes")
    assert (done.code, "1 subscriber who had just confirmed will not get it" in done.out) == (0, True)
    assert not WelcomeDue.objects.exists()
    assert "the welcome is off" in ready("status", "welcome").out
    assert ready("send", "welcome", "--off", "--dry-run").code == 2


def test_the_doctor_says_whether_the_file_is_what_is_sent(ready, write):
    def told() -> tuple[str, str]:
        checks = json.loads(ready("doctor", "--json").out)
        return next(((one["state"], one["words"]) for one in checks if one["name"] == "welcome weekly"), ("", ""))

    assert told() == ("", "")
    write()
    assert told() == ("warning", "welcome.md is sent to nobody until `mailer send welcome` freezes it")
    ready("send", "welcome", "--yes")
    assert told() == ("ok", "in en; 0 subscribers due")
    write(text=WELCOME.replace("Thank", "Many thanks. Thank"))
    assert told()[1] == "welcome.md changed since it was frozen; `mailer send welcome` sends it from now on"
    ready("send", "welcome", "--yes")
    Send.objects.filter(slug="welcome:en:2").update(state="paused", reason="refused")
    assert told()[1].startswith("welcome:en:2 is paused (refused)")
    Send.objects.update(state="finished", reason="")
    assert told() == ("ok", "in en; 0 subscribers due")


def test_a_draft_goes_to_nobody_and_the_doctor_says_nothing_of_it(ready, write):
    path = write(text=WELCOME.replace("# Welcome", "---\ndraft: true\n---\n# Welcome"))
    refused = ready("send", "welcome", "--yes")
    assert (refused.code, f"{path}:2:" in refused.err, "as a draft" in refused.err) == (3, True, True)
    assert "welcome weekly" not in ready("doctor", "--json").out


@pytest.fixture
def doctors_words(ready, write):
    """Return what the doctor says of a welcome that is on."""
    write()
    ready("send", "welcome", "--yes")

    def told() -> str:
        checks = json.loads(ready("doctor", "--json").out)
        return next(f"{one['state']}: {one['words']}" for one in checks if one["name"] == "welcome weekly")

    assert told() == "ok: in en; 0 subscribers due"
    return told


def test_the_doctor_says_if_the_welcome_waits_for_another_process(doctors_words, settings, newsletter):
    settings.NEWSLETTERS = {"weekly": replace(newsletter, list_id="other.example.org")}
    assert doctors_words().startswith("warning: welcome:en:1 is not sent from here: it waits for a worker whose")
    assert "`mailer send welcome` sends it from here" in doctors_words()


def test_the_doctor_says_if_most_get_none_since_the_newsletter_has_another_language(
    doctors_words, settings, newsletter
):
    settings.NEWSLETTERS = {"weekly": replace(newsletter, language="de")}
    assert "none is in de, the language of The Weekly" in doctors_words()


def test_a_former_version_that_keeps_its_subscribers_waiting_is_named(doctors_words, ready, write, api):
    readers.confirmed()
    api.fail("forbidden")
    welcome_subscribers()
    assert "weekly/welcome:en:1 is paused" in ready("status").out
    write(text=WELCOME.replace("Thank", "Many thanks. Thank"))
    ready("send", "welcome", "--yes")
    assert doctors_words().startswith("warning: welcome:en:1 is paused")
    assert "so 1 subscriber waits for it; `mailer resume welcome:en:1` sends it to them" in doctors_words()
    assert "weekly/welcome:en:1 is paused" in ready("status").out
    ready("send", "welcome", "--off", "--yes")
    assert doctors_words().startswith("warning: welcome:en:1 is paused")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("paused", "is paused (refused), so those who confirm wait for it, a week at most; `mailer resume"),
        ("cancelled", "is cancelled, so those who confirm wait, a week at most; `mailer send welcome"),
    ],
)
def test_who_is_stopped_is_said_alike_in_text_json_and_by_the_doctor(doctors_words, ready, state, told):
    assert ready("status", "--json").out == ""
    Send.objects.update(state=state, reason="refused")
    assert told in doctors_words()
    assert told in ready("status").out
    receipt = json.loads(ready("status", "--json").out)
    found = [receipt[name] for name in ("kind", "slug", "state", "reason")]
    assert found == ["welcome", "welcome:en:1", state, "refused"]


def test_that_it_is_unknown_who_got_it_is_said_by_the_doctor_too(doctors_words, ready, api):
    readers.confirmed()
    api.fail("close after accepting")
    welcome_subscribers()
    assert "partly unknown: 1 of its subscribers may have it or not; `mailer reconcile welcome:en:1`" in doctors_words()
