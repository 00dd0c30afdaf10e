"""
What each pod of the service runs: log in, `select 1`, write down what came of it, and again.

The address of the database is in the environment (ADDRESS), fixed when the pod starts, or in a
file below POD_ROOT (FILE), which is read again for each query. A query is never cut off: a SIGTERM
is looked at between two of them. A line of the results has a time, the role, and "ok" or what the
server said, without the password.
"""

import json
import os
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

PAUSE = float(os.environ["PAUSE"])  # seconds between two queries


def address() -> str:
    if "FILE" in os.environ:
        return Path(os.environ["POD_ROOT"] + os.environ["FILE"]).read_text(encoding="utf-8")
    return os.environ["ADDRESS"]


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    results = (
        Path(os.environ["RESULTS"]) / f"{os.environ['HOME_NAMESPACE']}.{os.environ['HOSTNAME']}"
    )
    with results.open("a", encoding="utf-8", buffering=1) as out:
        while True:
            at, url = time.time(), address()
            said = "ok"
            try:
                with psycopg.connect(url, connect_timeout=10) as connection:
                    connection.execute("SELECT 1")
            except psycopg.Error as error:
                said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            out.write(json.dumps([at, urlsplit(url).username, said]) + "\n")
            if said == "ok":
                Path("ready").touch()
            if signal.sigtimedwait({signal.SIGTERM}, PAUSE):
                return


if __name__ == "__main__":
    main()
