"""A Slack workspace on loopback: Web API, Socket Mode and a page, with Slack's documented rules."""
