"""The Slack surface: listeners hand over, the publisher posts, views only draw."""
