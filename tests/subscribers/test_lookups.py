import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from subscribers import lookups
from subscribers.addresses import parse
from subscribers.models import Subscriber

pytestmark = pytest.mark.django_db

ADDRESSES = [
    *("a_b@example.org", "a%b@example.org", "aab@example.org", "ada@example.org"),
    *("ada@münchen.example", "b'b@e.example"),
]


@pytest.fixture
def subscribers():
    for address in ADDRESSES:
        parsed = parse(address)
        Subscriber.objects.create(email=parsed.email, email_key=parsed.key, suppression_hash=address)


def _found(text: str) -> set[str]:
    return set(lookups.beginning_with(Subscriber.objects.all(), text).values_list("email_key", flat=True))


def test_the_beginning_of_an_address_finds_what_begins_with_it_and_nothing_else(subscribers):
    keys = set(Subscriber.objects.values_list("email_key", flat=True))

    @hypothesis_settings(max_examples=60)
    @given(st.one_of(st.text("ab_%\\'@d.xé", max_size=4), st.sampled_from(sorted(keys)).map(lambda key: key[:6])))
    def look(beginning: str) -> None:
        assert _found(beginning) == {key for key in keys if key.startswith(beginning.strip().lower())}

    look()


def test_case_and_spaces_around_it_do_not_matter(subscribers):
    assert _found(" ADA@exa ") == {"ada@example.org"}


def test_the_first_are_found_when_there_are_too_many(subscribers, monkeypatch):
    monkeypatch.setattr(lookups, "FOUND", 2)
    assert len(_found("a")) == 2


def test_there_are_many_from_one_more_than_the_limit(subscribers, monkeypatch):
    monkeypatch.setattr(lookups, "MANY", len(ADDRESSES))
    assert not lookups.are_many()
    monkeypatch.setattr(lookups, "MANY", len(ADDRESSES) - 1)
    assert lookups.are_many()
