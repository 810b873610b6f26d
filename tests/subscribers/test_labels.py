"""A newsletter takes all that it has along to its new label, and links with the former one lead to it."""

import threading
from collections.abc import Callable

import pytest
from django.apps import apps
from django.conf import settings as configured
from django.db import OperationalError, connection, transaction

from subscribers import (
    applying,
    changing,
    clicks,
    clock,
    journal,
    labels,
    optin,
    renaming,
    replaying,
    signed_links,
    tokens,
    undoing,
)
from subscribers.addresses import parse
from subscribers.journal import Leaving
from subscribers.models import Letter, Notice, RenamedNewsletter, Subscription, Suppression
from tests import readers

pytestmark = pytest.mark.django_db

NEW = "boards"


@pytest.fixture
def renamed(settings):
    """Rename the table in newsletter.toml, and the label: `renamed()`."""

    def rename() -> renaming.Carried:
        table = settings.NEWSLETTERS["weekly"]
        settings.NEWSLETTERS = {NEW: table, "jianbao": settings.NEWSLETTERS["jianbao"]}
        return renaming.rename("weekly", NEW, table.list_id)

    return rename


def test_every_column_that_names_a_newsletter_is_rewritten(renamed):
    """Whoever adds such a column adds it to the rename, or this fails."""
    ada = readers.everybody()["confirmed"]
    readers.move(ada, "ada@new.example")
    changing.ask_to_move(ada.public_id, "weekly", parse("ada@newer.example"), readers.LINK)
    Notice.objects.create(newsletter="weekly", kind="moved", email="x@y.example", email_key="x@y.example")
    Suppression.objects.create(hash="1" * 64, reason="erased", newsletters_left=["jianbao", "weekly"])
    assert renamed().subscriptions == 4
    left = {
        (model.__name__, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.name in ("newsletter", "newsletters", "newsletters_left")
        for row in model._default_manager.all()
        if (named := getattr(row, field.name)) == "weekly" or (isinstance(named, list) and "weekly" in named)
    }
    assert left == set()
    assert Letter.objects.filter(newsletter=NEW).exists()
    assert Suppression.objects.get(hash="1" * 64).newsletters_left == ["jianbao", NEW]


def test_a_link_from_before_unsubscribes_from_the_newsletter_as_it_is_called_now(renamed, client):
    ada = readers.confirmed()
    path = signed_links.unsubscribe_path(ada.public_id, "weekly")
    renamed()
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert readers.state_of(ada, NEW) == "unsubscribed"


def test_pages_behind_old_links_show_the_newsletter_as_it_is_called_now(renamed, client):
    ada = readers.confirmed()
    preferences = signed_links.preferences_path(ada.public_id, "weekly")
    renamed()
    page = client.get(preferences)
    assert (page.status_code, configured.NEWSLETTERS[NEW].name in page.content.decode()) == (200, True)


def test_an_expired_link_knows_the_label_of_today_too(renamed):
    ada = readers.pending()
    token = tokens.make(tokens.CONFIRM, ada.public_id, "weekly", signed_links.signing_key(), clock.now())
    renamed()
    with pytest.raises(tokens.ExpiredToken) as expired:
        signed_links.read(token, tokens.CONFIRM)
    assert expired.value.ticket.newsletter == NEW


def test_who_left_while_the_database_was_away_has_left_the_renamed_one(renamed):
    ada = readers.confirmed()
    click = Leaving(ada.public_id, "weekly", "one-click", clock.now())
    renamed()
    assert clicks.leave_all([click]) == 1
    assert readers.state_of(ada, NEW) == "unsubscribed"


def test_a_restored_backup_obeys_opt_outs_that_name_the_former_label(renamed, settings, tmp_path):
    settings.OPTOUTS = tmp_path / "optouts.log"
    ada = readers.confirmed()
    with_line = (
        f'{{"hash": "{ada.suppression_hash}", "newsletter": "weekly", "reason": "unsubscribed", '
        f'"at": "{clock.now().isoformat()}"}}\n'
    )
    settings.OPTOUTS.write_text(with_line)
    renamed()
    assert replaying.forgotten(settings.OPTOUTS) == 1
    replaying.replay(settings.OPTOUTS)
    assert readers.state_of(ada, NEW) == "unsubscribed"


def test_renaming_on_and_back_keeps_every_former_label_current(settings):
    table = settings.NEWSLETTERS["weekly"]
    settings.NEWSLETTERS = {"third": table}
    renaming.rename("first", "second", table.list_id)
    renaming.rename("second", "third", table.list_id)
    assert labels.renamed() == {"first": "third", "second": "third"}
    settings.NEWSLETTERS = {"first": table}
    renaming.rename("third", "first", table.list_id)
    assert labels.renamed() == {"second": "first", "third": "first"}
    assert [labels.current(label) for label in ("first", "second", "other")] == ["first", "first", "other"]


def test_without_the_database_a_link_means_what_it_says(monkeypatch):
    def away(*_: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(RenamedNewsletter.objects, "values_list", away)
    assert labels.current("gone") == "gone"


def test_labels_with_subscriptions_are_found_each_once(settings):
    readers.everybody()
    readers.confirmed("jianbao", readers.BEN)
    assert labels.held() == ["jianbao", "weekly"]
    Subscription.objects.all().delete()
    assert labels.held() == []


def test_a_newcomer_under_the_new_label_is_not_confused_with_former_links(renamed):
    renamed()
    ben = readers.confirmed(NEW, readers.BEN)
    optin.unsubscribe(ben.public_id, NEW, readers.LINK)
    assert readers.state_of(ben, NEW) == "unsubscribed"


# ---------------------------------------------------------------- processes that still have the old newsletter.toml


@pytest.fixture
def renamed_elsewhere(settings) -> Callable[[], None]:
    """Rename the newsletter as another process does, while this one still has the old newsletter.toml."""
    list_id = settings.NEWSLETTERS["weekly"].list_id
    return lambda: renaming.rename("weekly", NEW, list_id) and None


ONE_CLICK, BY_PAGE = {"List-Unsubscribe": "One-Click"}, {"from": "page"}


@pytest.mark.parametrize("pressed", [ONE_CLICK, BY_PAGE])
def test_a_click_is_obeyed_by_a_process_that_has_not_heard_of_the_rename(renamed_elsewhere, client, pressed):
    ada = readers.confirmed()
    path = signed_links.unsubscribe_path(ada.public_id, "weekly")
    renamed_elsewhere()
    assert client.post(path, pressed).status_code == 200
    assert readers.state_of(ada, NEW) == "unsubscribed"


def test_a_click_of_before_a_move_is_obeyed_there_too(renamed_elsewhere, client):
    ada = readers.confirmed()
    path = signed_links.unsubscribe_path(ada.public_id, "weekly")
    readers.move(ada, "ada@new.example")
    renamed_elsewhere()
    assert client.post(path, BY_PAGE).status_code == 200
    assert readers.state_of(ada, NEW) == "unsubscribed"


def test_a_journal_is_obeyed_by_a_process_that_has_not_heard_of_the_rename(renamed_elsewhere, settings):
    ada = readers.confirmed()
    leaving = Leaving(ada.public_id, "weekly", "one-click", clock.now())
    journal.append(settings.LEAVING_JOURNAL, leaving)
    renamed_elsewhere()
    assert applying.apply(settings.LEAVING_JOURNAL).left == 1
    assert readers.state_of(ada, NEW) == "unsubscribed"


@pytest.mark.parametrize("leave", [
    lambda ada: optin.unsubscribe(ada.public_id, "weekly", readers.LINK),
    lambda ada: clicks.leave_all([Leaving(ada.public_id, "weekly", "one-click", clock.now())]),
])  # fmt: skip
def test_who_signed_up_again_under_the_former_label_leaves_both(renamed_elsewhere, leave):
    ada = readers.confirmed()
    renamed_elsewhere()
    readers.pending("weekly", readers.ADA)
    leave(ada)
    assert (readers.state_of(ada, NEW), readers.state_of(ada)) == ("unsubscribed", "unsubscribed")


def test_confirming_and_undoing_there_reach_the_renamed_newsletter(renamed_elsewhere, client):
    ada, ben = readers.confirmed(), readers.pending()
    link = signed_links.confirm_url(ben.public_id, "weekly").removeprefix(configured.BASE_URL)
    renamed_elsewhere()
    assert client.get(link).status_code == 200
    assert optin.confirm(ben.public_id, "weekly", readers.LINK) == "confirmed"
    left = optin.leave(ada.public_id, "weekly", optin.Origin(how="page"))
    assert undoing.undo(ada.public_id, "weekly", str(left.leaving), readers.LINK)
    assert (readers.state_of(ada, NEW), readers.state_of(ben, NEW)) == ("active", "active")
    last = ben.consents.latest("pk")
    assert (last.step, last.newsletter) == ("confirmed", NEW)


def test_a_page_of_choices_from_before_the_rename_unsubscribes_from_what_was_unticked(renamed, client):
    ada = readers.confirmed()
    page = signed_links.preferences_path(ada.public_id, "weekly")
    renamed()
    client.post(page, {"do": "save", "language": "en", "had": "weekly"})
    assert readers.state_of(ada, NEW) == "unsubscribed"


# ---------------------------------------------------------------- while a rename commits


def while_renaming(settings, act: Callable[[], object]) -> None:
    """Let `act` begin, with the new newsletter.toml, while a rename holds its locks; the rename commits meanwhile."""
    table = settings.NEWSLETTERS["weekly"]
    settings.NEWSLETTERS = {NEW: table}
    holds, failed = threading.Event(), list[BaseException]()

    def rename() -> None:
        try:
            with transaction.atomic():
                renaming.rename("weekly", NEW, table.list_id)
                holds.set()
                acting.join(0.7)  # it waits for these locks by then
        finally:
            holds.set()
            connection.close()

    def begin() -> None:
        try:
            holds.wait(60)
            act()
        except BaseException as error:  # noqa: BLE001 — raised below
            failed.append(error)
        finally:
            connection.close()

    acting, renaming_it = threading.Thread(target=begin), threading.Thread(target=rename)
    acting.start()
    renaming_it.start()
    renaming_it.join()
    acting.join()
    assert not failed


@pytest.mark.django_db(transaction=True)
def test_a_click_while_a_rename_commits_is_not_lost(settings, client):
    ada = readers.confirmed()
    path = signed_links.unsubscribe_path(ada.public_id, "weekly")
    answers = []
    while_renaming(settings, lambda: answers.append(client.post(path, ONE_CLICK)))
    assert answers[0].status_code == 200
    if settings.LEAVING_JOURNAL.exists():  # the database was locked for too long
        applying.apply(settings.LEAVING_JOURNAL)
    assert readers.state_of(ada, NEW) == "unsubscribed"


@pytest.mark.django_db(transaction=True)
def test_a_journal_applied_while_a_rename_commits_is_not_lost(settings):
    ada = readers.confirmed()
    journal.append(settings.LEAVING_JOURNAL, Leaving(ada.public_id, "weekly", "one-click", clock.now()))
    while_renaming(settings, lambda: applying.apply(settings.LEAVING_JOURNAL))
    assert readers.state_of(ada, NEW) == "unsubscribed"
