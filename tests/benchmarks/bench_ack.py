"""
How soon a click is acknowledged: `python -m tests.benchmarks.bench_ack [CLICKS] [ROUNDS]`.

All clicks of a round are sent at once, over real Socket Mode, against the local workspace: from the
moment the person presses to the acknowledgement on the wire, the commit to the inbox included. The
workspace and the people share the bot's process here, so that a bot of its own is quicker.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.scenarios.scene import Scene, running_scene

CLICKS, ROUNDS = 50, 5


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of each click that was acknowledged; `lost`: not within three seconds."""

    taken: tuple[float, ...]
    lost: int

    def percentile(self, share: float) -> float:
        ranked = sorted(self.taken)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def measure(scene: Scene, *, clicks: int, rounds: int) -> Timings:
    """Open an incident and press the button of its card, `clicks` at once."""
    incident = scene.report(scene.world.leaked_token)
    scene.card_now(incident, lambda m: "blast_radius_show" in m.buttons)
    sam = scene.be("sam")

    def press(_: int) -> tuple[bool, float]:
        card = scene.card(incident)
        begun = time.perf_counter()
        acknowledged = sam.click(card, "blast_radius_show")
        return acknowledged, (time.perf_counter() - begun) * 1000

    found: list[tuple[bool, float]] = []
    with ThreadPoolExecutor(clicks) as pool:
        for _ in range(rounds):
            found += pool.map(press, range(clicks))
            scene.wait_until_idle(120)
    return Timings(
        tuple(took for acknowledged, took in found if acknowledged),
        sum(not acknowledged for acknowledged, _ in found),
    )


def main() -> None:
    clicks, rounds = [int(word) for word in sys.argv[1:]] + [CLICKS, ROUNDS][len(sys.argv) - 1 :]
    with TemporaryDirectory() as folder, running_scene(Path(folder)) as scene:
        timings = measure(scene, clicks=clicks, rounds=rounds)
    print(f"{clicks} clicks at once, {rounds} rounds: milliseconds until the acknowledgement")
    print("  p50    p90    p99    max   not acknowledged")
    shown = (*(timings.percentile(share) for share in (0.5, 0.9, 0.99)), max(timings.taken))
    print("  ".join(f"{each:5.0f}" for each in shown) + f"   {timings.lost} of {clicks * rounds}")


if __name__ == "__main__":
    main()
