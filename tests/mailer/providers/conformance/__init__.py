"""Providers and their backends, for the one test suite that all of them pass."""
