from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from mailer.models import Batch, CircuitBreaker, Event, Installation, Process, ProviderAccount, Send, Welcome
from mailer.store import clock, counting
from mailer.worker.embedded import EmbeddedWorker
from subscribers import changing, limits
from subscribers.models import Letter
from tests import readers
from tests.mailer.sending import outgoing
from tests.mailer.sending.test_welcoming import freeze, plan
from tests.subscribers.web.test_views import form_time

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted_yet():
    counting._pending.clear()


TOKEN = "a-long-token-of-the-operator"


def gauges(client, **asked) -> dict[str, float]:
    """Return the metrics as Prometheus' own parser reads them."""
    answer = client.get("/metrics", **asked)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.content.decode().splitlines()
    assert list(text_string_to_metric_families(answer.content.decode()))
    samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    written = dict(samples)
    assert len(written) == len(samples)  # Prometheus keeps only one of two
    return {name: float(value) for name, value in written.items()}


def test_an_installation_at_rest_has_zeroes_and_no_gaps(client):
    found = gauges(client)
    assert found['mailer_readers{outcome="waiting"}'] == 0
    gauges_at_rest = ("unknown_readers", "events_unapplied", "confirmations_due", "letters_due")
    for gauge in (*gauges_at_rest, "welcomes_due", "welcomes_stopped"):
        assert found[f"mailer_{gauge}"] == 0
    assert found["mailer_seconds_since_sweep"] == float("inf")
    assert found['mailer_gate_open{account="",provider="rehearsal"}'] == 1
    assert found['mailer_sends{state="paused"}'] == 0


def test_what_is_open_late_or_shut_shows(client, settings):
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(4)
    readers.pending()
    changing.ask_for_link(readers.confirmed("jianbao").public_id, "jianbao", readers.LINK)
    send = outgoing.planned()
    Batch.objects.filter(send=send, number=0).update(state=Batch.State.UNKNOWN)
    Event.objects.create(kind="bounced", at=timezone.now(), id_hash=1, fact_hash=1)
    account = ProviderAccount.objects.create(name='a"b', host="api.sendgrid.com")
    CircuitBreaker.objects.create(account=account, open_until=timezone.now() + timedelta(minutes=1))
    Installation.objects.update(swept_at=timezone.now() - timedelta(seconds=90))

    found = gauges(client)

    assert found['mailer_readers{outcome="waiting"}'] == 2
    assert found['mailer_readers{outcome="unknown"}'] == found["mailer_unknown_readers"] == 2
    assert found['mailer_batches{state="planned"}'] == found['mailer_batches{state="unknown"}'] == 1
    assert found['mailer_sends{state="sending"}'] == 1
    assert found["mailer_events_unapplied"] == 1
    assert found["mailer_confirmations_due"] == found["mailer_letters_due"] == 1
    assert found['mailer_gate_open{account="a\\"b",provider="api.sendgrid.com"}'] == 0
    assert float(found["mailer_seconds_since_sweep"]) >= 90


def test_emails_that_failed_are_due_while_they_wait_for_their_next_try(client):
    waiting = readers.pending()
    changing.ask_for_link(readers.confirmed("jianbao").public_id, "jianbao", readers.LINK)
    later = timezone.now() + timedelta(minutes=9)
    rows = waiting.subscriptions.all(), Letter.objects.all()
    for tries in (0, 1):
        rows[0].update(confirmation_due=later, confirmation_tries=tries)
        rows[1].update(due=later, tries=tries)
        found = gauges(client)
        assert (found["mailer_confirmations_due"], found["mailer_letters_due"]) == (tries, tries)


def test_of_sends_that_are_over_the_newest_counts_and_unknown_readers_are_never_forgotten(client):
    readers.crowd(3)
    for slug in ("older", "newer"):
        send = outgoing.planned(slug=slug)
        Batch.objects.filter(send=send).update(state=Batch.State.UNKNOWN)
        Send.objects.filter(pk=send.pk).update(state=Send.State.FINISHED)
    found = gauges(client)
    assert found['mailer_readers{outcome="unknown"}'] == 3
    assert found["mailer_unknown_readers"] == 6


def test_of_welcomes_those_who_wait_for_one_are_counted_and_no_issue(client):
    freeze()
    readers.confirmed()
    found = gauges(client)
    assert (found["mailer_welcomes_due"], found['mailer_readers{outcome="waiting"}']) == (1, 0)
    plan()
    found = gauges(client)
    assert (found["mailer_welcomes_due"], found['mailer_readers{outcome="waiting"}']) == (0, 0)
    Welcome.objects.all().delete()
    readers.confirmed(who=readers.BEN)
    assert gauges(client)["mailer_welcomes_due"] == 0


def test_a_welcome_that_is_paused_or_cancelled_or_partly_unknown_counts_as_stopped(client):
    (version,) = freeze()
    for state, stopped in (("finished", 0), ("paused", 1), ("cancelled", 1)):
        Send.objects.filter(pk=version.pk).update(state=state)
        assert gauges(client)["mailer_welcomes_stopped"] == stopped
    Welcome.objects.all().delete()
    assert gauges(client)["mailer_welcomes_stopped"] == 0
    Batch.objects.create(send=version, number=0, size=1, state=Batch.State.UNKNOWN)
    assert gauges(client)["mailer_welcomes_stopped"] == 1


def test_the_cost_does_not_grow_with_the_readers(client, django_assert_max_num_queries):
    readers.crowd(50)
    outgoing.planned()
    gauges(client)
    with django_assert_max_num_queries(20):
        gauges(client)


@pytest.mark.parametrize(
    "asked",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"HTTP_FORWARDED": "for=192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": "Bearer "},
        {"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": "Bearer é"},
    ],
)
def test_others_do_not_learn_that_there_are_metrics(client, settings, asked):
    assert client.get("/metrics", **asked).status_code == 404
    settings.MAILER_METRICS_TOKEN = TOKEN
    assert client.get("/metrics", **asked).status_code == 404


def test_behind_a_proxy_of_ours_nobody_counts_as_this_machine(client, settings):
    settings.MAILER_PROXIES = 1
    assert client.get("/metrics").status_code == 404


def test_the_token_allows_asking_from_anywhere(client, settings):
    settings.MAILER_METRICS_TOKEN = TOKEN
    far = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "192.0.2.8"}
    assert client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}", **far).status_code == 200
    assert client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}x", **far).status_code == 404


def test_in_production_the_token_is_always_asked_for(client, settings):
    """A bare nginx on this machine adds no header: its visitors look like this machine."""
    settings.PRODUCTION = True
    refused = client.get("/metrics")
    assert refused.status_code == 403
    assert "MAILER_METRICS_TOKEN" in refused.content.decode()
    settings.MAILER_METRICS_TOKEN = TOKEN
    assert client.get("/metrics").status_code == 404
    assert gauges(client, HTTP_AUTHORIZATION=f"Bearer {TOKEN}")


def test_asking_changes_nothing(client):
    assert client.post("/metrics").status_code == 405


# ---------------------------------------------------------------- processes, and what was counted


def test_a_worker_shows_with_its_slots_and_its_broker_while_it_is_seen(client):
    now = clock.now()
    told = EmbeddedWorker().state() | {"broker": False, "well": True}
    for pid, ago in ((1, 0), (2, 90)):
        at = now - timedelta(seconds=ago)
        Process.objects.create(kind="worker", host="worker-a", pid=pid, started_at=at, seen_at=at, state=told)
    Process.objects.create(kind="web", host="web", pid=1, started_at=now, seen_at=now)
    found = gauges(client)
    assert (found["mailer_workers"], found["mailer_web_processes"]) == (1, 1)
    assert found['mailer_worker_well{worker="worker-a:1"}'] == 1
    assert found['mailer_worker_broker_up{worker="worker-a:1"}'] == 0
    assert found['mailer_worker_lanes_free{lanes="issues",worker="worker-a:1"}'] == 4
    assert found['mailer_worker_lanes_busy{lanes="mails",worker="worker-a:1"}'] == 0
    assert not [name for name in found if "worker-a:2" in name]


def test_clicks_that_wait_in_a_journal_are_counted_once_for_each_home(client):
    now = clock.now()
    for pid, home, lines in ((1, "a", 3), (2, "a", 3), (3, "b", 1)):
        told = {"home": home, "leaving_lines": lines}
        Process.objects.create(kind="web", host="web", pid=pid, started_at=now, seen_at=now, state=told)
    assert gauges(client)["mailer_leavings_waiting"] == 4


def test_a_process_of_another_version_breaks_no_figure(client):
    now = clock.now()
    for kind in ("web", "worker"):
        Process.objects.create(kind=kind, host="a", pid=1, started_at=now, seen_at=now, state={"well": True})
    assert gauges(client)['mailer_worker_well{worker="a:1"}'] == 1


def test_without_the_database_the_figures_say_so_and_fail_no_request(client, monkeypatch):
    def away():
        raise OperationalError("the database is down")

    monkeypatch.setattr("mailer.web.views.exposition", away)
    answer = client.get("/metrics")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.content.decode() == "the database is unavailable"


def test_counters_begin_at_zero_so_that_their_first_rise_shows(client):
    found = gauges(client)
    for counter in (
        'requests_total{outcome="unknown"}',
        "rate_limited_total",
        'webhook_posts_total{outcome="refused"}',
        'sign_ups_limited_total{reason="network"}',
        "logins_failed_total",
        "request_seconds_count",
        'webhook_lag_seconds_bucket{le="+Inf"}',
    ):
        assert found[f"mailer_{counter}"] == 0


def test_durations_are_cumulative_as_a_histogram_is(client):
    counting.observe(counting.LAG, counting.LAGS, {0.5: 1, 3: 2, 100_000: 1})
    counting.flush()
    found = gauges(client)
    buckets = [
        found[f'mailer_webhook_lag_seconds_bucket{{le="{limit}"}}'] for limit in ("1.0", "5.0", "86400.0", "+Inf")
    ]
    assert buckets == [1, 3, 3, 4]
    assert (found["mailer_webhook_lag_seconds_count"], found["mailer_webhook_lag_seconds_sum"]) == (4, 100_006.5)


def test_failed_logins_and_limited_sign_ups_are_counted(client, monkeypatch):
    monkeypatch.setattr(limits, "FREE_A_NETWORK_HOUR", 0)
    client.post("/admin/login/", {"username": "operator", "password": "guessed"})
    answer = client.post("/subscribe/", {"email": "ada@readers.example", "form_time": form_time()})
    assert "One moment" in answer.content.decode()
    counting.flush()
    found = gauges(client)
    assert found["mailer_logins_failed_total"] == 1
    assert found['mailer_sign_ups_limited_total{reason="network"}'] == 1
