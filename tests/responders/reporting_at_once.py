"""
Reports the same values as another process at the same time; prints what became of each as JSON.

Run as a process of its own: `python -m tests.responders.reporting_at_once FOLDER URL NAME`. It says
"ready", waits for a line, reports, prints, and does so again for each further line.
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from responders.incident import Person
from tests.responders.room import Room, report

VALUES = tuple(f"{number:02x}" * 32 for number in range(1, 6))
THREADS = 4
PLACES = 2  # of each value, in each process and round


def main(folder: Path, url: str, name: str) -> None:
    folder.mkdir()
    room = Room(folder, url=url)
    print("ready", flush=True)
    for line in sys.stdin:
        number = line.strip()
        start = threading.Barrier(THREADS)

        def one(
            job: int, number: str = number, start: threading.Barrier = start
        ) -> list[list[str]]:
            start.wait()
            outcomes = []
            for place in range(job, len(VALUES) * PLACES, THREADS):
                value = VALUES[place % len(VALUES)]
                found = report(
                    value,
                    matched=False,
                    where=f"https://chat/{name}/{number}/{place}",
                    reporter=Person(f"{name}@example.com", name),
                )
                opened = room.desk.report(found)
                outcomes.append([value, opened.incident_id, opened.outcome])
            return outcomes

        with ThreadPoolExecutor(THREADS) as pool:
            told = [outcome for each in pool.map(one, range(THREADS)) for outcome in each]
        print(json.dumps(told), flush=True)
    room.database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
