"""Subscribers, the newsletters they asked for, and the record of their consent. Knows nothing of issues or sends."""
