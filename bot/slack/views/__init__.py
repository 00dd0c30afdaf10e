"""What people see: pure functions from data to Block Kit. No I/O, no clock, no Slack SDK."""
