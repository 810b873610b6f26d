"""The single emails to a subscriber: confirmations, links they asked for, notices of what was done."""
