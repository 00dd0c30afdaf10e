"""
One replica on a shared database, as a process of its own.

`python -m tests.responders.replica FOLDER URL [VERSION [POINT [SIGNAL]]]`: it says "up" when its
engine runs, sends itself the signal (SIGKILL, unless another one is named) the first time it passes
POINT, and ends with its input. One that will be stopped has a short lease.
"""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from responders.engine import WORKFLOWS_VERSION
from responders.limits import EngineSettings
from tests.responders.room import Room


def main(
    folder: str, url: str, version: str = WORKFLOWS_VERSION, point: str = "", name: str = "SIGKILL"
) -> None:
    ahead = {point}

    def passing(at: str) -> None:
        if at in ahead:
            ahead.remove(at)
            os.kill(os.getpid(), signal.Signals[name])

    lease = 3 if name == "SIGSTOP" else 30
    room = Room(
        Path(folder),
        url=url,
        now=lambda: datetime.now(UTC),
        passing=passing,
        version=version,
        settings=EngineSettings(allow=("*",), retry_seconds=(0.01, 0.01), lease_seconds=lease),
    )
    room.engine.launch()
    print("up", flush=True)
    sys.stdin.read()
    room.engine.stop(seconds=5)
    room.database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
