import threading

import pytest
from django.db import connection
from django.utils import timezone

from mailer.models import AccountKey, Batch, ProviderAccount, Send
from mailer.sending import scheduling
from mailer.sending.planning import plan_send, schedule_send
from mailer.store import accounts
from mailer.worker import sweeping
from tests import readers
from tests.mailer.sending import outgoing
from tests.mailer.sending.outgoing import batch_of, claim, deliver_batch, states

pytestmark = pytest.mark.django_db

MINE, THEIRS = "SG.mine", "SG.theirs"


@pytest.fixture(autouse=True)
def _real(settings, tmp_path):
    settings.HOME = tmp_path
    settings.SENDGRID_API_KEY, settings.PROVIDER = MINE, "api.sendgrid.com"
    readers.crowd(2)


@pytest.fixture
def mine(_real) -> Send:
    """Make a send with the first key."""
    return outgoing.planned()


def test_the_first_key_is_adopted_by_itself_as_main(mine):
    assert (mine.account.name, mine.account.host) == ("main", "api.sendgrid.com")
    assert AccountKey.objects.get().account == mine.account


def test_no_key_is_kept(mine):
    assert AccountKey.objects.get().fingerprint == "baa4a2fafe2bfd8c" != MINE  # the beginning of its SHA-256


def test_a_later_key_of_the_same_provider_is_unknown(mine, settings):
    settings.SENDGRID_API_KEY = THEIRS
    assert accounts.this_account() is None
    with pytest.raises(accounts.UnknownKey, match=r"belong to the account `main`.*--adopt-key"):
        plan_send(outgoing.a_plan(slug="another"))
    with pytest.raises(accounts.UnknownKey):
        schedule_send(outgoing.a_plan(slug="another"), timezone.now())
    assert Send.objects.count() == 1


def test_the_first_key_of_another_provider_is_an_account_of_its_own(mine, settings):
    settings.PROVIDER = "api.eu.sendgrid.com"
    account = accounts.this_account()
    assert account is not None
    assert (account.name, account.host) == ("api.eu.sendgrid.com", "api.eu.sendgrid.com")


def test_a_rehearsal_needs_no_key_and_is_never_main(settings):
    settings.SENDGRID_API_KEY, settings.PROVIDER = "", "rehearsal"
    assert outgoing.planned().account.name == "rehearsal"
    settings.SENDGRID_API_KEY, settings.PROVIDER = MINE, "api.sendgrid.com"
    assert accounts.require_account().name == "main"


@pytest.mark.django_db(transaction=True)
def test_of_many_keys_that_come_first_at_once_one_is_adopted(settings, monkeypatch):
    keys = [f"SG.{number}" for number in range(6)]
    mine = threading.local()
    monkeypatch.setattr(accounts, "fingerprint", lambda: accounts.fingerprint_of(mine.key))
    together = threading.Barrier(len(keys), timeout=60)
    found = []

    def come(key):
        mine.key = key
        together.wait()
        try:
            found.append(accounts.this_account())
        finally:
            connection.close()

    threads = [threading.Thread(target=come, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [account.name for account in ProviderAccount.objects.all()] == ["main"]
    assert AccountKey.objects.count() == 1
    assert sorted(account is not None for account in found) == [False] * 5 + [True]


@pytest.fixture(params=["another key", "another list_id", "no such newsletter"])
def foreign(request, mine, settings):
    """Make this process one of another installation on the same database."""
    if request.param == "another key":
        settings.SENDGRID_API_KEY = THEIRS
    elif request.param == "another list_id":
        weekly = settings.NEWSLETTERS["weekly"]
        settings.NEWSLETTERS = {"weekly": type(weekly)(**{**vars(weekly), "list_id": "weekly.other.example"})}
    else:
        settings.NEWSLETTERS = {"daily": settings.NEWSLETTERS["weekly"]}


@pytest.mark.usefixtures("foreign")
def test_another_installation_takes_nothing_and_pauses_nothing(mine):
    assert claim(batch_of(mine).pk) is None
    deliver_batch(batch_of(mine).pk)
    sweeping.sweep()
    mine.refresh_from_db()
    assert (mine.state, states(mine)) == ("sending", ["planned"])


def test_another_installation_fires_no_schedule(settings):
    send = schedule_send(outgoing.a_plan(), timezone.now())
    settings.SENDGRID_API_KEY = THEIRS
    scheduling.fire_due()
    send.refresh_from_db()
    assert send.state == "scheduled"
    settings.SENDGRID_API_KEY = MINE
    scheduling.fire_due()
    send.refresh_from_db()
    assert send.state == "sending"


def test_a_sweep_with_an_unknown_key_does_not_count_as_a_worker_that_sends(mine, settings):
    settings.SENDGRID_API_KEY = THEIRS
    sweeping.sweep()
    mine.account.refresh_from_db()
    assert mine.account.swept_at is None
    settings.SENDGRID_API_KEY = MINE
    sweeping.sweep()
    mine.account.refresh_from_db()
    assert mine.account.swept_at is not None


def test_a_send_that_an_older_version_planned_during_the_upgrade_is_taken_in(mine):
    Send.objects.update(account=None, list_id="")
    assert claim(batch_of(mine).pk) is None
    sweeping.sweep()
    Batch.objects.update(hinted_at=None)
    mine.refresh_from_db()
    assert mine.account.name == "main"
    assert claim(batch_of(mine).pk) is not None


def test_a_notice_of_too_many_complaints_stops_the_next_send_of_its_own_account_only(mine, settings):
    Send.objects.update(notice="too many complaints", state="finished")
    settings.SENDGRID_API_KEY = THEIRS
    accounts.adopt_key(accounts.fingerprint(), "clients")
    assert outgoing.planned(slug="by-clients").state == "sending"
    settings.SENDGRID_API_KEY = MINE
    assert outgoing.planned(slug="by-main").state == "paused"


def test_keys_of_two_accounts_send_each_their_own(mine, settings):
    settings.SENDGRID_API_KEY = THEIRS
    accounts.adopt_key(accounts.fingerprint(), "clients")
    theirs = outgoing.planned(slug="by-clients")
    assert claim(batch_of(mine).pk) is None
    assert claim(batch_of(theirs).pk) is not None


def test_a_renewed_key_of_the_same_account_sends_what_the_former_planned(mine, settings):
    settings.SENDGRID_API_KEY = "SG.renewed"
    accounts.adopt_key(accounts.fingerprint(), "main")
    assert claim(batch_of(mine).pk) is not None
