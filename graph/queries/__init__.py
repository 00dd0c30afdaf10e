"""One question, one file, one function: a snapshot goes in, a frozen dataclass comes out."""
