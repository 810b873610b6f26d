"""What rules ask of steps and suppressions, where a version that kept it in texts wrote them: before the upgrade, or
beside the new version.
"""

from datetime import timedelta
from typing import Any

import pytest

from subscribers import clock, limits, optin, records, replaying
from subscribers.models import Consent, Subscriber, Suppression
from subscribers.optouts import OptOut
from subscribers.signed_links import suppression_hash
from tests.older import database_of
from tests.readers import LINK

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = (("subscribers", "0014_queue_of_confirmations"),)
Rule = Suppression.Rule
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


SUPPRESSIONS = {
    "hard": {"reason": "bounce", "note": "hard bounce"},
    "soft": {"reason": "bounce", "note": "three soft bounces"},
    "left": {"reason": "erased", "note": "left: weekly, the-daily"},
    "by a file": {"reason": "bounce", "note": ""},
    "by hand": {"reason": "manual", "note": "three soft bounces"},
    "by hand too": {"reason": "manual", "note": "left: in anger"},
}
TOLD = {
    "hard": ("hard bounce", None),
    "soft": ("soft bounces", None),
    "left": (None, ["weekly", "the-daily"]),
    **dict.fromkeys(("by a file", "by hand", "by hand too"), (None, None)),
}


def write(apps: Any, *names: str, when: str) -> None:
    """Write as a process of the older version, which does not know columns that came later."""
    for name in names:
        email = f"{name.replace(' ', '.')}.{when.partition(' ')[0]}@readers.example"
        reader = apps.get_model("subscribers", "Subscriber").objects.create(
            email=email, email_key=email, suppression_hash=suppression_hash(email)
        )
        apps.get_model("subscribers", "Consent").objects.create(
            subscriber=reader, newsletter="weekly", at=clock.now(), **STEPS[name]
        )


def suppress(apps: Any, when: str) -> None:
    for name, values in SUPPRESSIONS.items():
        apps.get_model("subscribers", "Suppression").objects.create(hash=f"{name} {when}", **values)


@pytest.fixture
def upgraded():
    with database_of(*BEFORE) as apps:
        write(apps, *STEPS, when=TIMES[0])
        suppress(apps, TIMES[0])
    write(apps, *STEPS, when=TIMES[1])
    suppress(apps, TIMES[1])
    return apps


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


@pytest.mark.parametrize("when", TIMES)
def test_the_suppressions_of_an_older_version_have_their_rule_and_newsletters(upgraded, when):
    rows = Suppression.objects.filter(hash__endswith=when).values_list("hash", "rule", "newsletters_left")
    assert {hash.removesuffix(f" {when}"): tuple(told) for hash, *told in rows} == TOLD


OVERWRITTEN = [
    ({"reason": "bounce", "note": "hard bounce"}, ("hard bounce", None)),
    ({"reason": "complaint", "note": ""}, (None, None)),
    ({"reason": "manual", "note": "asked by phone"}, (None, None)),
    ({"reason": "erased", "note": "left: weekly"}, (None, ["weekly"])),
]


@pytest.mark.parametrize(("values", "told"), OVERWRITTEN)
@pytest.mark.parametrize("before", [optin.Why("three soft bounces", Rule.SOFT_BOUNCES), optin.Why()])
def test_what_an_older_version_writes_over_a_suppression_of_this_one_counts(before, values, told):
    """It does not know the rule, which would stay behind and later lift what it did not make."""
    optin.suppress("a" * 64, "bounce", LINK, before)
    with database_of(*BEFORE) as apps:
        pass
    apps.get_model("subscribers", "Suppression").objects.filter(hash="a" * 64).update(**values)
    found = Suppression.objects.get()
    assert (found.reason, found.rule, found.newsletters_left) == (values["reason"], *told)


def test_this_version_writes_and_takes_back_its_own():
    optin.suppress("a" * 64, "bounce", LINK, optin.Why("three soft bounces", Rule.SOFT_BOUNCES))
    optin.suppress("a" * 64, "bounce", LINK, optin.Why("gone", Rule.HARD_BOUNCE))
    assert Suppression.objects.get().rule == Rule.HARD_BOUNCE
    optin.suppress("a" * 64, "bounce", LINK)
    assert Suppression.objects.get().rule is None
