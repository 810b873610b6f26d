"""Seeded disasters with real processes, and an audit of what the provider actually accepted.

    python -m tests.chaos --runs 200 --seed 1 --jobs 2     # a table, and the seeds that failed
    python -m tests.chaos --runs 1 --seed 17               # one of them again

`disasters.py` says what happens, `kinds.py` what happens together, `run.py` who works meanwhile, `ledger.py` reads the
database from outside, `auditing.py` compares it with the provider's log, `playing.py` is one run from seed to result.
"""
