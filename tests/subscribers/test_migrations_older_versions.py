"""What rules ask of steps, where a version that kept it in texts alone wrote them: before the upgrade, or beside it."""

from datetime import timedelta
from typing import Any

import pytest

from subscribers import clock, limits, records, replaying
from subscribers.models import Consent, Subscriber
from subscribers.optouts import OptOut
from subscribers.signed_links import suppression_hash
from tests.older import database_of

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = (("subscribers", "0014_queue_of_confirmations"),)
TIMES = ("before the upgrade", "beside the new version")

STEPS = {
    "moved": {"step": "changed", "how": "link", "source": "address changed, it was a…@readers.example /data/"},
    "lifted": {"step": "changed", "how": "command", "source": "lifted: bounce they wrote to us"},
    "suppressed": {"step": "changed", "how": "event", "source": "suppressed: bounce"},
    "no mail": {"step": "requested", "how": "form, no mail", "source": "address changed"},
    "a link": {"step": "changed", "how": "link, no mail", "about": "link", "source": "asked for a link: data"},
    "a name": {"step": "changed", "how": "link", "about": "name", "source": "name changed"},
    "mailed": {"step": "requested", "how": "form", "source": "lifted: by a page of that name"},
    "came": {"step": "imported", "how": "import", "source": "address changed.csv"},
}
EFFECTS = {
    **{name: name for name in ("moved", "lifted", "suppressed", "no mail")},
    "a link": "no mail",
    "a name": None,
    "mailed": None,
    "came": None,
}


def write(apps: Any, *names: str, when: str) -> None:
    """As a process of the older version does: it knows nothing of columns that came later."""
    for name in names:
        email = f"{name.replace(' ', '.')}.{when.partition(' ')[0]}@readers.example"
        reader = apps.get_model("subscribers", "Subscriber").objects.create(
            email=email, email_key=email, suppression_hash=suppression_hash(email)
        )
        apps.get_model("subscribers", "Consent").objects.create(
            subscriber=reader, newsletter="weekly", at=clock.now(), **STEPS[name]
        )


@pytest.fixture
def upgraded():
    with database_of(*BEFORE) as apps:
        write(apps, *STEPS, when=TIMES[0])
    write(apps, *STEPS, when=TIMES[1])


def reader(name: str, when: str) -> Subscriber:
    return Subscriber.objects.get(email=f"{name.replace(' ', '.')}.{when.partition(' ')[0]}@readers.example")


@pytest.mark.parametrize("when", TIMES)
def test_the_steps_of_an_older_version_have_their_effect(upgraded, when):
    found = {name: Consent.objects.get(subscriber=reader(name, when)).effect for name in STEPS}
    assert found == EFFECTS


@pytest.mark.parametrize("when", TIMES)
def test_rules_understand_what_an_older_version_wrote(upgraded, when):
    now = clock.now()
    assert list(records.moved([reader(name, when).pk for name in STEPS])) == [reader("moved", when).pk]
    assert limits.confirmations_asked(reader("mailed", when).pk, now)
    assert not limits.confirmations_asked(reader("no mail", when).pk, now)
    outlived = {name for name in STEPS if _outlived(reader(name, when), "complaint")}
    assert outlived == {"lifted"}
    assert {name for name in STEPS if _outlived(reader(name, when), "erased")} == {"lifted", "moved"}


def _outlived(reader: Subscriber, reason: str) -> bool:
    optout = OptOut(reader.suppression_hash, "", reason, clock.now() - timedelta(hours=1))
    return replaying._Known([optout]).outlived(optout)
