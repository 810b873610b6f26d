"""The database of a small installation."""
