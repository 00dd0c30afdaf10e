"""Vault and OpenBao read: the logged-in client, mounts, KV secrets, policies and who holds them."""
