"""What the worker does with an inbox entry, one file per kind of concern."""
