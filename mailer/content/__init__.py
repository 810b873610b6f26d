"""Turn a Markdown file into a rendered issue. Nothing here knows subscribers, a database or a provider."""
