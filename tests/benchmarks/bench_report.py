"""
From the click to the card: `python -m tests.benchmarks.bench_report [REPORTS]`.

Runs the demo's company with the bot that `serve` runs (Socket Mode, SQLite, OpenBao, the embedded
cluster), posts a message with a new token into #general, reports it by the message's menu, and
takes the seconds until the acknowledgement of the click, and until the incident's root card stands
in #security. The bot comes to rest between two reports. The first is of a stored secret.
"""

import secrets
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from bot.sandbox.workspace.messages import Message
from tests.scenarios.scene import Scene, running_scene


def one(scene: Scene, value: str) -> tuple[float, float]:
    """Report one value; the seconds until the acknowledgement, and until the card is there."""
    rita, sam = scene.be("rita"), scene.be("sam")
    known = {each.ts for each in sam.messages("#security")}

    def is_new_card(message: Message) -> bool:
        return not message.is_reply and message.ts not in known and "Incident" in message.all_text

    posted = rita.post("general", f"why does {value} fail?")
    began = perf_counter()
    assert rita.shortcut(posted, "leak_report_message")
    acknowledged = perf_counter() - began
    sam.wait_for_message("#security", is_new_card)
    shown = perf_counter() - began
    scene.wait_until_idle(60)
    return acknowledged, shown


def main(reports: int) -> None:
    """Print the table."""
    with TemporaryDirectory() as folder, running_scene(Path(folder)) as scene:
        values = [f"pgw_live_{secrets.token_hex(16)}" for _ in range(reports - 1)]
        times = [one(scene, value) for value in (scene.world.leaked_token, *values)]
    print(f"{'from the click until':24} {'median':>9} {'worst':>9}   ({reports} reports)")
    for name, column in (("it is acknowledged", 0), ("the root card stands", 1)):
        spent = [row[column] * 1000 for row in times]
        print(f"{name:24} {median(spent):6.0f} ms {max(spent):6.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
