"""The embedded world of `locksmith demo`: every server that the bot talks to, on loopback."""
