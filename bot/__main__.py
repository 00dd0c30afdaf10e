"""
`locksmith` and `python -m bot`: load the rooms of the commands that are named, then run.

To load every room takes seconds (the server, Slack, the engine), and a question needs few of them.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

# Command or group of commands -> the files in bot/cli that add to it.
ROOMS = {
    "access": ("access",),
    "approve": ("incidents",),
    "audit": ("operate",),
    "blast-radius": ("ask",),
    "break-glass": ("going_on",),
    "check": ("operate",),
    "collect": ("ask",),
    "confirm": ("going_on",),
    "demo": ("operate",),
    "deny": ("incidents",),
    "findings": ("record",),
    "graph": ("ask",),
    "import": ("importing",),
    "incident": ("incidents", "going_on", "record", "triage"),
    "index": ("index",),
    "migrate": ("operate",),
    "mine": ("ready",),
    "pager": ("pagers",),
    "plan": ("incidents",),
    "playbook": ("playbooks",),
    "reach": ("reaching",),
    "readiness": ("ready",),
    "readers": ("reaching",),
    "report": ("report",),
    "retry": ("going_on",),
    "run": ("incidents",),
    "serve": ("operate",),
    "skip": ("going_on",),
    "slack": ("operate",),
    "stats": ("record",),
    "stop": ("going_on",),
    "undo": ("going_on",),
    "uses": ("ask",),
}


def load_rooms(words: Sequence[str]) -> None:
    """Load what the words of a command line name, or every room where they name none."""
    named = [room for word in words for room in ROOMS.get(word, ())]
    gc.disable()  # thousands of new classes are searched for unused cycles again and again
    for room in named or sorted({room for rooms in ROOMS.values() for room in rooms}):
        import_module(f"bot.cli.{room}")
    gc.enable()


def main() -> None:
    """Run the command line of this process; a shell that completes it sees every room."""
    completing = "_LOCKSMITH_COMPLETE" in os.environ
    load_rooms(() if completing else sys.argv[1:])
    import_module("bot.cli.app").main()


if __name__ == "__main__":
    main()
