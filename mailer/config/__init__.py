"""What this process was told: settings, newsletter.toml, where its log goes."""
