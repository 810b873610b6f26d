"""Export or erase what the ledger holds of one person."""
