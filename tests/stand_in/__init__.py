"""SendGrid for the tests: as strict as the real one, with a memory, and able to fail in every way.

    with StandIn() as api:                    # api.url, api.key for a Client
        api.fail("error after accepting")     # the next request; see FAULTS
        ...
        assert api.times_mailed["ada@example.com"] == 1

In a process of its own: `python -m tests.stand_in --port 0 --log FILE [--key KEY] [--latency S]` prints one line of
JSON (`{"url": …, "key": …}`) and runs until it is killed. Faults come by POST /faults, a list of objects such as
`{"fault": "error before accepting", "times": 3}` or `{"bad_addresses": ["ada@example.com"]}`.

What it accepts is on the disk (FILE, one JSON object a line) *before* it answers, so that a killed sender can be
compared with what the provider really took. Times are time.monotonic(), the same in all processes of a machine.
"""

from tests.stand_in.provider import KEY, StandIn

__all__ = ["KEY", "StandIn"]
