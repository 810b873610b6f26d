from datetime import timedelta

import pytest
from django.utils import timezone

from mailer.models import Batch, Event, Gate, Installation, ProviderAccount, Send
from subscribers import changing
from tests import readers
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db

TOKEN = "a-long-token-of-the-operator"


def gauges(client) -> dict[str, str]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.content.decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_an_installation_at_rest_has_zeroes_and_no_gaps(client):
    found = gauges(client)
    assert found['mailer_readers{outcome="waiting"}'] == "0"
    for gauge in ("unknown_readers", "events_unapplied", "confirmations_due", "letters_due"):
        assert found[f"mailer_{gauge}"] == "0"
    assert found["mailer_seconds_since_sweep"] == "+Inf"
    assert found['mailer_gate_open{provider="rehearsal",account=""}'] == "1"
    assert found['mailer_sends{state="paused"}'] == "0"


def test_what_is_open_late_or_shut_shows(client, settings):
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(4)
    readers.pending()
    changing.ask_for_link(readers.confirmed("jianbao").public_id, "jianbao", readers.LINK)
    send = outgoing.planned()
    Batch.objects.filter(send=send, number=0).update(state=Batch.State.UNKNOWN)
    Event.objects.create(kind="bounce", at=timezone.now(), id_hash=1, fact_hash=1)
    account = ProviderAccount.objects.create(name='a"b', host="api.sendgrid.com")
    Gate.objects.create(account=account, closed_until=timezone.now() + timedelta(minutes=1))
    Installation.objects.update(swept_at=timezone.now() - timedelta(seconds=90))

    found = gauges(client)

    assert found['mailer_readers{outcome="waiting"}'] == "2"
    assert found['mailer_readers{outcome="unknown"}'] == found["mailer_unknown_readers"] == "2"
    assert found['mailer_batches{state="planned"}'] == found['mailer_batches{state="unknown"}'] == "1"
    assert found['mailer_sends{state="sending"}'] == "1"
    assert found["mailer_events_unapplied"] == "1"
    assert found["mailer_confirmations_due"] == found["mailer_letters_due"] == "1"
    assert found['mailer_gate_open{provider="api.sendgrid.com",account="a\\"b"}'] == "0"
    assert float(found["mailer_seconds_since_sweep"]) >= 90


def test_of_sends_that_are_over_the_newest_counts_and_unknown_readers_are_never_forgotten(client):
    readers.crowd(3)
    for slug in ("older", "newer"):
        send = outgoing.planned(slug=slug)
        Batch.objects.filter(send=send).update(state=Batch.State.UNKNOWN)
        Send.objects.filter(pk=send.pk).update(state=Send.State.FINISHED)
    found = gauges(client)
    assert found['mailer_readers{outcome="unknown"}'] == "3"
    assert found["mailer_unknown_readers"] == "6"


def test_the_cost_does_not_grow_with_the_readers(client, django_assert_max_num_queries):
    readers.crowd(50)
    outgoing.planned()
    gauges(client)
    with django_assert_max_num_queries(13):
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


def test_whoever_holds_the_token_may_ask_from_anywhere(client, settings):
    settings.MAILER_METRICS_TOKEN = TOKEN
    far = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "192.0.2.8"}
    assert client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}", **far).status_code == 200
    assert client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}x", **far).status_code == 404


def test_asking_changes_nothing(client):
    assert client.post("/metrics").status_code == 405
