"""Those who carry the mail: one folder a provider.

`rehearsal` is the local stand-in that refuses what a provider would, and `current` hands out the client that this
installation is configured for.
"""
