"""The formats of scanners' reports: one file each, found by folder scan and by entry point."""
