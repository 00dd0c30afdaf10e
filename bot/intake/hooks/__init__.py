"""The kinds of webhooks: one file each, found by folder scan and by entry point."""
