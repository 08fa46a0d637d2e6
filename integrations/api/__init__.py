"""Resources of integrations: the feed of changes, and webhooks."""
