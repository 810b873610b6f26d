import pytest

from mailer.web import throttling
from mailer.web.throttling import AT_ONCE, BURST, MOST_NETWORKS, Throttle, TooMany

ONE, OTHER = "9.9.9.0/24", "2620:fe::/48"


def use(throttle: Throttle, network: str, times: int) -> int:
    """Return how many of these searches ran."""
    ran = 0
    for _ in range(times):
        try:
            with throttle.search(network):
                ran += 1
        except TooMany:
            pass
    return ran


@pytest.fixture
def now(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(throttling.time, "monotonic", lambda: clock[0])
    return clock


def test_a_network_gets_some_in_a_row_and_then_one_now_and_then(now):
    throttle = Throttle()
    assert use(throttle, ONE, BURST + 5) == BURST
    assert use(throttle, OTHER, 1) == 1
    now[0] += 4
    assert use(throttle, ONE, 5) == 2


def test_who_went_on_asking_waits_no_longer_than_others(now):
    throttle = Throttle()
    use(throttle, ONE, 1000)
    now[0] += 3
    assert use(throttle, ONE, 1) == 1


@pytest.mark.parametrize("network", ["unknown", "127.0.0.0/24", "10.1.2.0/24", "fd00::/48", ""])
def test_a_proxy_that_everybody_comes_through_is_no_network(now, network):
    assert use(Throttle(), network, BURST * 3) == BURST * 3


def test_few_search_at_once(monkeypatch):
    monkeypatch.setattr(throttling, "PATIENCE", 0.01)
    throttle = Throttle()
    blocks = [throttle.search(f"9.9.{number}.0/24") for number in range(AT_ONCE + 1)]
    for block in blocks[:AT_ONCE]:
        block.__enter__()
    with pytest.raises(TooMany):
        blocks[-1].__enter__()
    blocks[0].__exit__(None, None, None)
    assert use(throttle, ONE, 1) == 1


def test_a_flood_of_networks_is_not_remembered():
    throttle = Throttle()
    for number in range(MOST_NETWORKS + 500):
        use(throttle, f"9.{number // 256}.{number % 256}.0/24", 1)
    assert len(throttle._networks) == MOST_NETWORKS
