# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""A table renamed in newsletter.toml alone is noticed before it mails anybody; the command carries all along."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from mailer.archive import entries, indexing, is_removed
from mailer.archive.aliases import slug_behind
from mailer.archive.removing import remove
from mailer.models import REHEARSAL, Alias, Batch, IndexedIssue, Send, Welcome
from mailer.publishing import labels, welcomes
from mailer.publishing.errors import CorrectRequest, CorrectSettings, Refused
from mailer.publishing.preparing import prepare
from mailer.publishing.sending import Order, get_ready, propose, require_possible
from mailer.sending import welcoming
from mailer.sending.steering import pause
from mailer.store import accounts
from subscribers import clock
from subscribers.models import AuditEntry, Consent, RenamedNewsletter, Subscription
from tests import readers
from tests.mailer.archived import archived
from tests.mailer.cli.conftest import installation, run, terminal  # noqa: F401
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import deliver_all, planned
from tests.mailer.sending.test_welcoming import content, freeze

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = f"---\nnewsletter: boards\ndate: {date.today()}\n---\n# Boards\n\nText.\n"


@pytest.fixture
def sent(api, settings) -> Send:
    """Make The Weekly send an issue to one subscriber, then rename its table to `boards`."""
    settings.PROVIDER_IS_LOCAL = True
    readers.everybody()
    send = planned()
    deliver_all(send)
    rename_table(settings)
    return send


def rename_table(settings, **changed: object) -> None:
    table = replace(settings.NEWSLETTERS["weekly"], label="boards", **changed)
    settings.NEWSLETTERS = {"boards": table, "jianbao": settings.NEWSLETTERS["jianbao"]}


def proposal(tmp_path, name: str = "next.md"):
    (tmp_path / name).write_text(ISSUE)
    return propose(prepare(tmp_path / name, None), Order())


def test_a_label_that_the_file_lost_is_named_with_what_it_has(sent):
    (orphan,) = labels.orphans()
    assert str(orphan) == "weekly (2 subscribed, 1 sent)"


def test_a_newsletter_of_another_account_at_the_same_database_is_nobodys_orphan(sent, settings):
    settings.SENDGRID_API_KEY = "SG.another"
    accounts.adopt_key(accounts.fingerprint(), "other")
    assert labels.orphans() == []


@pytest.mark.parametrize("changed", [{}, {"list_id": "boards.news.example.com"}])
def test_a_real_send_of_the_renamed_one_is_refused_until_it_has_its_history(sent, settings, tmp_path, changed):
    rename = replace(settings.NEWSLETTERS["boards"], **changed)
    settings.NEWSLETTERS = {**settings.NEWSLETTERS, "boards": rename}
    readers.confirmed("boards", readers.CLEO)
    for refuse in (require_possible, get_ready):
        with pytest.raises(CorrectSettings, match="mailer newsletters rename weekly boards"):
            refuse(proposal(tmp_path))


def test_the_already_sent_guard_compares_sources_across_orphaned_labels(sent, settings, tmp_path):
    other = replace(
        settings.NEWSLETTERS["boards"], list_id="other.example.org", from_email="other@news.example.org", reply_to=""
    )
    settings.NEWSLETTERS = {"boards": other}
    readers.confirmed("boards", readers.CLEO)
    get_ready(proposal(tmp_path))  # another newsletter altogether
    Send.objects.filter(pk=sent.pk).update(source_sha256=proposal(tmp_path).plan.issue.source_sha256)
    with pytest.raises(CorrectSettings, match="seems to be weekly"):
        get_ready(proposal(tmp_path))
    settings.SENDGRID_API_KEY = "SG.another"
    accounts.adopt_key(accounts.fingerprint(), "other")
    get_ready(proposal(tmp_path))  # the same issue, of another installation at this database


def test_renaming_carries_everything_along_and_the_next_issue_can_be_sent(sent, settings, tmp_path):
    renamed = labels.rename("weekly", "boards", audit=write)
    assert (renamed.sends, renamed.carried.subscriptions) == (1, 4)
    for kind in (Send, Subscription, Consent):
        assert not kind.objects.filter(newsletter="weekly").exists()
    assert labels.orphans() == []
    entry = AuditEntry.objects.get(action="renamed")
    assert (entry.count, entry.detail) == (4, "newsletter weekly to boards")
    assert get_ready(proposal(tmp_path)).proposal.audience == 1


def write(act) -> None:
    from subscribers import auditing

    auditing.write(auditing.Actor("command", "ada", "here"), act)


def test_nothing_is_renamed_without_its_audit_entry(sent):
    def full(act) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        labels.rename("weekly", "boards", full)
    assert Subscription.objects.filter(newsletter="weekly").count() == 4


def test_a_send_under_way_refuses_and_a_paused_one_does_not(api, settings):
    readers.confirmed()
    send = planned()
    rename_table(settings)
    with pytest.raises(Refused, match="is being sent"):
        labels.rename("weekly", "boards", write)
    pause(send.pk)
    assert labels.rename("weekly", "boards", write).sends == 1
    deliver_all_of_renamed(send)


def deliver_all_of_renamed(send: Send) -> None:
    """Its links were frozen by the former label or are made by the new one: either way they lead home."""
    from mailer.sending.steering import resume

    resume(send.pk)
    send.refresh_from_db()
    deliver_all(send)
    send.refresh_from_db()
    assert (send.newsletter, send.state) == ("boards", "finished")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("weekly", "nowhere", "rename the table"),
        ("jianbao", "boards", "still a newsletter"),
        ("nobody", "boards", "no newsletter 'nobody' in the database"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(sent, old, new, words):
    with pytest.raises(CorrectRequest, match=words):
        labels.rename(old, new, write)


def test_another_list_id_is_refused_because_subscribers_sort_by_it(sent, settings):
    settings.NEWSLETTERS = {"boards": replace(settings.NEWSLETTERS["boards"], list_id="boards.example.org")}
    with pytest.raises(CorrectSettings, match=r'add list_id = "weekly.news.example.com"'):
        labels.rename("weekly", "boards", write)


def test_who_signed_up_before_the_rename_does_not_block_it(sent, run, terminal):
    readers.pending("boards", readers.Named("Zoe", "zoe@readers.example"))
    terminal("y\n")
    done = run("newsletters", "rename", "weekly", "boards")
    assert done.code == 0, done.err
    assert "boards, which already has 1 subscription; of two" in done.out + done.err
    assert Subscription.objects.filter(newsletter="boards").count() == 5


def test_a_second_rename_collects_who_signed_up_under_the_former_label(sent):
    labels.rename("weekly", "boards", write)
    zoe = readers.confirmed("weekly", readers.Named("Zoe", "zoe@readers.example"))
    assert [str(one) for one in labels.orphans()] == ["weekly (1 subscribed, 0 sent)"]
    assert labels.rename("weekly", "boards", write).carried.subscriptions == 1
    assert readers.state_of(zoe, "boards") == "active"
    assert labels.orphans() == []


def test_two_newsletters_that_were_both_sent_do_not_become_one(sent):
    copy = Send.objects.get(pk=sent.pk)
    copy.pk, copy.slug, copy.newsletter = None, "its-own", "boards"
    copy.save(force_insert=True)
    with pytest.raises(Refused, match="boards has sent its-own already"):
        labels.rename("weekly", "boards", write)


def test_a_welcome_of_the_renamed_one_is_refused_too(sent, settings, tmp_path):
    boards = settings.NEWSLETTERS["boards"]
    with pytest.raises(CorrectSettings, match="mailer newsletters rename weekly boards"):
        welcomes.freeze(boards, [content(newsletter="boards")])
    settings.PROVIDER = REHEARSAL
    welcomes.freeze(boards, [content(newsletter="boards")])


def test_a_welcome_that_nobody_got_makes_no_newsletter_of_its_own(sent, settings, tmp_path):
    frozen_before(settings)
    readers.confirmed("boards", readers.CLEO)
    with pytest.raises(CorrectSettings, match="seems to be weekly"):
        get_ready(proposal(tmp_path))
    renamed = labels.rename("weekly", "boards", write)
    assert renamed.sends == 1
    assert not Send.objects.filter(kind="welcome").exists()
    assert not Welcome.objects.exists()


def test_a_welcome_that_somebody_got_makes_one(sent, settings):
    send = frozen_before(settings)
    Batch.objects.create(send=send, number=0, size=1, not_before=clock.now())
    with pytest.raises(Refused, match=f"boards has sent {send.slug} already"):
        labels.rename("weekly", "boards", write)


def test_the_welcome_is_carried_along_and_counts_as_no_issue(api, settings):
    readers.everybody()
    deliver_all(planned())
    (send,) = freeze()
    rename_table(settings)
    assert [str(orphan) for orphan in labels.orphans()] == ["weekly (2 subscribed, 1 sent)"]
    frozen_before(settings)
    assert labels.rename("weekly", "boards", write).sends == 1
    assert [(one.newsletter, one.send) for one in Welcome.objects.all()] == [("boards", send)]


def frozen_before(settings) -> Send:
    """Freeze a welcome of `boards`, as a version did that did not compare labels."""
    return welcoming.freeze(settings.NEWSLETTERS["boards"], [content(newsletter="boards")], ())[0].send


def test_a_label_that_links_still_say_is_not_given_to_a_new_newsletter(sent, settings, tmp_path):
    labels.rename("weekly", "boards", write)
    new = replace(settings.NEWSLETTERS["boards"], label="weekly", list_id="new.example.org")
    settings.NEWSLETTERS = {**settings.NEWSLETTERS, "weekly": new}
    (tmp_path / "other.md").write_text(ISSUE.replace("boards", "weekly"))
    with pytest.raises(CorrectSettings, match="was the label of boards before"):
        get_ready(propose(prepare(tmp_path / "other.md", None), Order()))
    with pytest.raises(CorrectRequest, match="still a newsletter"):
        labels.rename("weekly", "boards", write)


@pytest.mark.parametrize(
    "command",
    [
        ("serve", "--port", "1"),
        ("worker",),
        ("subscribers", "import", "people.csv", "--newsletter", "weekly", "--yes"),
        ("subscribers", "add", "zoe@readers.example", "--newsletter", "weekly"),
    ],
    ids=["serve", "worker", "import", "add"],
)
def test_nothing_starts_where_a_new_newsletter_has_a_former_label(sent, settings, run, tmp_path, monkeypatch, command):
    labels.rename("weekly", "boards", write)
    further = replace(settings.NEWSLETTERS["boards"], label="weekly", list_id="new.example.org")
    settings.NEWSLETTERS = {**settings.NEWSLETTERS, "weekly": further}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text("email,state\nzoe@readers.example,active\n")
    ran = run(*command)
    assert ran.code == 2
    assert "weekly was the label of boards before" in ran.err
    assert "[newsletters.weekly] to [newsletters.boards]" in ran.err
    assert not Subscription.objects.filter(newsletter="weekly").exists()
    doctor = run("doctor").out
    assert "newsletter weekly" in doctor
    assert "choose another label" in doctor


def test_the_command_asks_renames_and_says_what_it_took_along(sent, run):
    assert run("newsletters", "rename", "weekly", "boards").code == 4
    done = run("newsletters", "rename", "weekly", "boards", "--yes")
    assert done.code == 0, done.err
    assert "weekly is boards now: 4 subscriptions" in done.out
    assert AuditEntry.objects.filter(action="renamed").count() == 1


def test_doctor_and_send_name_what_the_file_lost(sent, run, tmp_path):
    assert "newsletter weekly (2 subscribed, 1 sent): not in" in run("doctor").out
    (tmp_path / "next.md").write_text(ISSUE)
    assert "the newsletter weekly (2 subscribed, 1 sent) is not in" in run("send", "issue", tmp_path / "next.md").err


# ---------------------------------------------------------------- backups from before a rename


def left(label: str) -> str:
    reader = readers.Named("Yan", "yan@readers.example")
    hash = readers.confirmed("weekly", reader).suppression_hash
    later = (clock.now() + timedelta(minutes=1)).isoformat()
    return json.dumps({"hash": hash, "newsletter": label, "reason": "unsubscribed", "at": later}) + "\n"


@pytest.fixture
def log_of_optouts(sent, settings, tmp_path):
    settings.OPTOUTS = tmp_path / "optouts.log"
    return settings.OPTOUTS


def test_a_backup_from_before_a_rename_that_the_log_does_not_know_is_adopted_after_the_rename(run, log_of_optouts):
    """The rename was made in another MAILER_HOME, so this log of opt-outs does not have it."""
    log_of_optouts.write_text(left("boards"))
    refused = run("doctor", "--adopt")
    assert refused.code == 1
    assert "run `mailer newsletters rename weekly boards` first" in refused.err
    assert Subscription.objects.filter(subscriber__email="yan@readers.example", state="active").exists()
    assert run("newsletters", "rename", "weekly", "boards", "--yes").code == 0
    assert run("doctor", "--adopt").code == 0
    (yan,) = Subscription.objects.filter(subscriber__email="yan@readers.example")
    assert (yan.newsletter, yan.state) == ("boards", "unsubscribed")


def test_a_backup_from_before_a_rename_in_the_log_is_adopted_at_once(run, log_of_optouts):
    line = left("boards")
    labels.rename("weekly", "boards", write)
    labels_as_before("boards", "weekly")
    log_of_optouts.write_text(log_of_optouts.read_text() + line)
    adopted = run("doctor", "--adopt")
    assert (adopted.code, adopted.err) == (0, "")
    (yan,) = Subscription.objects.filter(subscriber__email="yan@readers.example")
    assert (yan.newsletter, yan.state) == ("weekly", "unsubscribed")


def labels_as_before(new: str, old: str) -> None:
    """Restore what a rename changed."""
    RenamedNewsletter.objects.all().delete()
    for kind in (Send, Subscription, Consent):
        kind.objects.filter(newsletter=new).update(newsletter=old)


def test_a_label_in_the_log_that_nothing_here_has_is_named(run, log_of_optouts, settings):
    settings.NEWSLETTERS = {"weekly": settings.NEWSLETTERS["boards"]}  # the old file came back with the backup
    log_of_optouts.write_text(left("boards"))
    adopted = run("doctor", "--adopt")
    assert adopted.code == 0
    assert "people who left boards, which neither the database nor" in adopted.err


def test_renaming_carries_the_imported_archive_along(settings, tmp_path):
    archived("2019-06-29")
    archived("2019-07-06")
    archived("2019-07-06", "boards", subject="of the new label")
    Alias.objects.create(newsletter="weekly", name="/old.html", slug="2019-06-29")
    remove("weekly", "2019-06-29")
    rename_table(settings)
    (orphan,) = labels.orphans()
    assert str(orphan) == "weekly (0 subscribed, 0 sent, 2 imported)"
    assert labels.rename("weekly", "boards", audit=write).imported == 1
    assert labels.orphans() == []
    assert slug_behind("boards", "/old.html") == "2019-06-29"
    assert is_removed("boards", "2019-06-29")
    assert [entry.title for entry in entries("boards")] == ["of the new label"]


def test_issues_of_a_renamed_newsletter_are_found_under_its_new_label_alone(settings):
    archived("2019-06-29")
    indexing.catch_up()
    rename_table(settings)
    labels.rename("weekly", "boards", audit=write)
    indexing.catch_up()
    assert list(IndexedIssue.objects.values_list("newsletter", "slug")) == [("boards", "2019-06-29")]
