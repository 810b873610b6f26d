"""Who wants which newsletter, and the record that proves it. Knows nothing of issues, sends or SendGrid."""
