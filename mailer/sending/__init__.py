"""From a rendered issue to one recorded outcome for each planned subscriber: the only writer of batch state.

planning → claiming → delivering → settling, in the order of a batch's life. `circuit_breaker` says whether a provider
may be asked, `worker_locks` whether a worker lives, `steering` pauses, resumes and cancels, `expiring` finds what a
dead worker left, `accounting` counts.
"""
