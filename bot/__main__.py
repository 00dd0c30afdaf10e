"""`locksmith` and `python -m bot`: load every room of commands, then run."""

from bot.cli import (  # noqa: F401 - they add their commands
    access,
    ask,
    going_on,
    importing,
    incidents,
    index,
    operate,
    pagers,
    playbooks,
    reaching,
    record,
    report,
    triage,
)
from bot.cli.app import main

if __name__ == "__main__":
    main()
