"""
One replica on a shared database: `python -m tests.responders.replica FOLDER URL [VERSION [POINT]]`.

It says "up" when its engine runs, kills itself with SIGKILL at POINT, and ends with its input.
"""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from responders.engine import WORKFLOWS_VERSION
from tests.responders.room import Room


def main(folder: str, url: str, version: str = WORKFLOWS_VERSION, point: str = "") -> None:
    def passing(at: str) -> None:
        if at == point:
            os.kill(os.getpid(), signal.SIGKILL)

    room = Room(
        Path(folder), url=url, now=lambda: datetime.now(UTC), passing=passing, version=version
    )
    room.engine.launch()
    print("up", flush=True)
    sys.stdin.read()
    room.engine.stop(seconds=5)
    room.database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
