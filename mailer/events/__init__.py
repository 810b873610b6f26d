"""What the provider reports of emails, stored and applied: to the ledger, and to subscribers."""
