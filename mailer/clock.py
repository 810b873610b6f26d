"""The database's clock, which all workers share; see subscribers.clock, which may not import this package."""

from subscribers.clock import now as now
