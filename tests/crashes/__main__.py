"""
The whole crash sweep: `python -m tests.crashes [PLACE]...` kills at every point, prints the table.

It takes its time: some two thousand runs. With `--keep FOLDER` it goes on where it was stopped. The
places that need a real cluster are played where KUBECONFIG names one. The suite runs a sample of it
(`test_sample.py`).
"""

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.crashes.places import PLACES
from tests.crashes.sweep import Outcome, sweep


def main(names: list[str], every: int, step: str, folder: Path) -> int:
    """Sweep, print the table, and say by the exit code whether all of it is well."""
    began = time.monotonic()
    chosen = [place for place in PLACES if not names or place.__name__ in names]
    outcomes = list(
        sweep(
            chosen,
            folder,
            lambda points: [at for at in points if at.startswith(step)][::every],
            kubeconfig=os.environ.get("KUBECONFIG", ""),
        )
    )
    table = defaultdict(list)
    for outcome in outcomes:
        if outcome.point:
            table[f"{outcome.playbook} ({outcome.place})"].append(outcome)
    print(f"{'playbook':<48} points killed resumed asked lost doubled")
    for name, row in table.items():
        _line(name, row)
    _line("all", [each for row in table.values() for each in row])
    print(f"{time.monotonic() - began:.0f} s")
    bad = [each for each in outcomes if each.played.wrongs or each.played.audit != "intact"]
    for each in bad:
        print(each.place, each.point or "(not killed)", each.played)
    for each in outcomes:
        if each.played.asked:
            print("asked:", each.place, each.point, "→", "; ".join(each.played.asked))
    return 1 if bad else 0


def _line(name: str, row: list[Outcome]) -> None:
    wrongs = [wrong for each in row for wrong in each.played.wrongs]
    killed = sum(each.reached for each in row)
    resumed = sum(each.played.resumed > 0 for each in row)
    asked = sum(bool(each.played.asked) for each in row)
    lost = sum(wrong.startswith("lost") for wrong in wrongs)
    doubled = sum(wrong.startswith("doubled") for wrong in wrongs)
    print(f"{name:<48} {len(row):6} {killed:6} {resumed:7} {asked:5} {lost:4} {doubled:7}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", nargs="*")
    parser.add_argument("--every", type=int, default=1, help="only every Nth point")
    parser.add_argument("--step", default="", help="only points that begin so: “rotate:”")
    parser.add_argument("--keep", help="folder of what is known; a later sweep goes on from there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="locksmith-crashes-") as passing:
        kept = Path(given.keep or passing)
        kept.mkdir(parents=True, exist_ok=True)
        sys.exit(main(given.places, given.every, given.step, kept))
