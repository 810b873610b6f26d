"""The configuration of this process: settings, newsletter.toml, and where its log goes."""
