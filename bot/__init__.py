"""What people touch: Slack, the command line, intake, and the wiring of it all."""
