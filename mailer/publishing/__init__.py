"""What editors and operators do with an issue, below the terminal and HTTP."""
