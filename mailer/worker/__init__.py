"""The process behind the web: it sends what is planned, and sweeps."""
