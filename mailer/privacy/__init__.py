"""What the ledger holds of one person: handed to them, or erased."""
