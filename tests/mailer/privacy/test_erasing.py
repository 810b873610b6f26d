# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
import json
from itertools import chain
from uuid import uuid4

import pytest
from click.testing import CliRunner
from django.apps import apps
from django.utils import timezone

from mailer.cli import cli
from mailer.models import Attempt, Batch, Delivery, Event
from subscribers import erasing, optin
from tests import readers
from tests.mailer.reports import HARD, Mailed, counters, mailed, post
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.readers import ADA

pytestmark = pytest.mark.django_db
COMMAND = optin.Origin(how="command")


@pytest.fixture
def issue(api) -> Mailed:
    ada = readers.confirmed()
    issue = mailed()
    post(issue.about(ada, "delivered"), issue.about(ada, "bounce", **HARD | {"reason": f"550 no {ADA.email} here"}))
    return issue


def show() -> str:
    return CliRunner().invoke(cli, ["subscribers", "show", ADA.email], catch_exceptions=False).stdout


def test_what_a_reader_was_sent_is_shown_with_what_became_of_it(issue, up_to_date):
    assert f"weekly/{issue.send.slug} · accepted, delivered, hard" in show()
    result = CliRunner().invoke(cli, ["subscribers", "show", ADA.email, "--json"], catch_exceptions=False)
    [sent] = json.loads(result.stdout)["sends"]
    assert (sent["outcome"], sent["facts"]) == ("accepted", ["delivered", "hard"])
    assert sent["at"]
    assert sent["events"][0]["details"]["reason"] == f"550 no {ADA.email} here"


def test_the_ledger_quotes_an_erased_reader_no_longer_and_its_numbers_stay(issue):
    Delivery.objects.update(outcome="rejected", reason="ada@before.example does not exist")
    Attempt.objects.update(state="refused", detail="ada@before.example does not exist")  # of the reader alone
    whole = Batch.objects.create(send=issue.send, number=2, size=0)
    Batch.objects.exclude(pk=whole.pk).update(split_from=whole)
    Attempt.objects.create(
        **{
            name: getattr(Attempt.objects.get(), name)
            for name in ("state", "detail", "worker", "lease_until", "members")
        },
        batch=whole,
    )
    address_only = {"kind": "bounce", "at": timezone.now(), "details": {"email": ADA.email.upper()}}
    Event.objects.create(**address_only, id_hash=uuid4().int >> 70, fact_hash=uuid4().int >> 70)
    before = counters(issue.send)
    erasing.forget(ADA.email, COMMAND)
    everything = [*chain.from_iterable(model.objects.values() for model in apps.get_models())]
    assert "ada@" not in str(everything).lower()
    assert Delivery.objects.get().subscriber is None
    assert counters(issue.send) == before == {"delivered": 1, "bounced": 1, "bounced_hard": 1}
    assert readers.suppression_of(readers.Subscriber(email_key=ADA.email)) == "bounce"
