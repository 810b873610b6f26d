"""A Markdown file becomes a rendered issue. Nothing here knows subscribers, a database or a provider."""
