"""From a rendered issue to one recorded outcome for each planned reader: the only writer of batch state.

planning → claiming → delivering → settling, in the order of a batch's life. `lifecycle` holds the
states of a send, `outcomes` what becomes of a batch without an answer, `hints` what wakes workers. `circuit_breaker`
says whether a provider may be asked, `worker_locks` whether a worker lives, `steering` pauses, resumes and cancels,
`expiring` finds what a dead worker left, `accounting` counts.
"""
