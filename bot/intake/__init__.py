"""From pasted text to leak reports: the one place beside the steps where a plaintext is touched."""
