"""A worker that runs out of descriptors, memory or threads pauses; its send continues elsewhere or later."""

import errno

import pytest

from mailer.config import exhaustion
from mailer.models import CircuitBreaker, Send
from mailer.providers.current import current_provider
from mailer.providers.sendgrid import provider as sendgrid
from mailer.sending import claiming, delivering, high_water_mark
from tests.exhausting import no_descriptors
from tests.mailer.sending.outgoing import attempts, balanced, batch_of, claim, deliver_batch, states

pytestmark = pytest.mark.django_db(transaction=True)

SHORTAGES = [
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    MemoryError(),
    RuntimeError("can't start new thread"),
]


def waits_for_others(send: Send) -> None:
    """Assert that subscribers wait, the send runs, and the circuit breaker is closed, so that others can continue."""
    send.refresh_from_db()
    assert (send.state, states(send)) == (Send.State.SENDING, ["planned"])
    assert not CircuitBreaker.objects.exclude(open_until=None, trial_until=None, streak=0).exists()
    balanced(send)


def mailed_once_when_it_is_over(send: Send, api) -> None:
    assert claim(batch_of(send).pk) is None, "it rests"
    exhaustion._backoff._until = 0  # the rest is over
    deliver_batch(batch_of(send).pk)
    assert states(send) == ["accepted"]
    assert set(api.times_mailed.values()) == {1}
    assert not exhaustion.rests()


def test_without_a_descriptor_the_batch_waits_and_is_mailed_once_later(four, api, caplog):
    with no_descriptors():
        deliver_batch(batch_of(four).pk)
    waits_for_others(four)
    assert api.requests == []
    assert "worker paused, out of resources" in caplog.text
    mailed_once_when_it_is_over(four, api)


@pytest.fixture
def no_client(monkeypatch):
    """Let creating this process's first client raise the error: `no_client(error)`."""

    def begin(error: Exception) -> None:
        def raising(*given):
            raise error

        monkeypatch.setattr(sendgrid, "_client", raising)

    return begin


@pytest.mark.parametrize("shortage", SHORTAGES, ids=repr)
def test_a_client_that_could_not_be_made_leaves_the_batch_planned(four, api, no_client, shortage):
    no_client(shortage)
    deliver_batch(batch_of(four).pk)
    waits_for_others(four)
    assert (attempts(four), api.requests) == (["unsent"], [])


def test_a_client_that_cannot_be_made_at_all_pauses_the_send_and_makes_nothing_unknown(four, api, no_client):
    no_client(ImportError("the package is broken"))
    with pytest.raises(ImportError):
        deliver_batch(batch_of(four).pk)
    four.refresh_from_db()
    assert (four.state, states(four), api.requests) == (Send.State.PAUSED, ["planned"], [])


@pytest.mark.parametrize("shortage", SHORTAGES, ids=repr)
def test_a_request_that_could_not_be_built_for_want_of_something_pauses_nothing(four, api, monkeypatch, shortage):
    with monkeypatch.context() as patch:
        patch.setattr(current_provider(), "prepare", raising(shortage))
        deliver_batch(batch_of(four).pk)
    waits_for_others(four)
    assert attempts(four) == ["unsent"]
    mailed_once_when_it_is_over(four, api)


@pytest.mark.parametrize(
    ("where", "shortage"),
    [
        *(((claiming, "this_worker"), shortage) for shortage in SHORTAGES),
        # After its commit. (A file that cannot be written only lags.)
        *(((high_water_mark, "_write"), shortage) for shortage in SHORTAGES if not isinstance(shortage, OSError)),
    ],
)
def test_a_claim_that_fails_for_want_of_something_is_given_back(four, api, monkeypatch, where, shortage):
    with monkeypatch.context() as patch:
        patch.setattr(*where, raising(shortage))
        assert claim(batch_of(four).pk) is None
    waits_for_others(four)
    mailed_once_when_it_is_over(four, api)


def test_an_answer_that_cannot_be_written_for_want_of_memory_is_written_later(four, api, monkeypatch):
    settle, failures = delivering.settle, [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")]

    def fail_twice(*given):
        if failures:
            raise failures.pop()
        settle(*given)

    monkeypatch.setattr(delivering, "settle", fail_twice)
    deliver_batch(batch_of(four).pk)
    assert states(four) == ["accepted"]
    assert len(api.accepted) == 1


def raising(error):
    def fail(*_, **__):
        raise error

    return fail
