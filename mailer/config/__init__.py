"""What this process was configured with: settings, newsletter.toml, where its log goes."""
