"""The command line: one file per room of commands; the same core as Slack, with `--json`."""
