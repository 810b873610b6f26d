"""Providers and what stands behind them, for the one suite that all of them pass."""
