"""
How soon a click is acknowledged: `python -m tests.benchmarks.bench_ack [CLICKS] [ROUNDS]`.

The bot is a process of its own, `locksmith serve`, as people start it. All clicks of a round are
sent at once, over real Socket Mode, by the local workspace: from the moment the person presses to
the acknowledgement on the wire, the commit to the inbox included. The workspace and the people are
one Python process too, and their part is in the time. The first round finds a bot that just started
and opened an incident: it stands for itself.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.config import database_url, load
from bot.inbox import Inbox
from bot.sandbox.company import workspace_shape
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.messages import Message
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import running_world
from graph.database import Database
from tests.scenarios.scene import eventually
from tests.servers.processes import ServeProcess, settings_of, write_config

CLICKS, ROUNDS = 50, 10
BUTTON = "blast_radius_show"


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of each click that was acknowledged; `lost`: not within three seconds."""

    taken: tuple[float, ...]
    lost: int

    def percentile(self, share: float) -> float:
        ranked = sorted(self.taken)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def measure(
    workspace: Workspace, inbox: Inbox, card: Message, *, clicks: int, rounds: int
) -> Timings:
    """Press the button of an incident's card, `clicks` at once; all is worked between rounds."""
    sam = workspace.as_user("sam")

    def press(_: int) -> tuple[bool, float]:
        begun = time.perf_counter()
        acknowledged = sam.click(card, BUTTON)
        return acknowledged, (time.perf_counter() - begun) * 1000

    found: list[tuple[bool, float]] = []
    with ThreadPoolExecutor(clicks) as pool:
        for _ in range(rounds):
            found += pool.map(press, range(clicks))
            eventually(lambda: inbox.waiting() == 0, 120)
    return Timings(
        tuple(took for acknowledged, took in found if acknowledged),
        sum(not acknowledged for acknowledged, _ in found),
    )


def opened(workspace: Workspace, value: str) -> Message:
    """Report a leak; return the card of its incident."""
    workspace.as_user("rita").post("#general", f"oops {value}")
    return workspace.as_user("sam").wait_for_message(
        "#security", lambda m: BUTTON in m.buttons, timeout=60
    )


def main() -> None:
    clicks, rounds = [int(word) for word in sys.argv[1:]] + [CLICKS, ROUNDS][len(sys.argv) - 1 :]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        world = stack.enter_context(running_world(folder=folder / "world"))
        workspace = stack.enter_context(Workspace(workspace_shape()))
        receiver = stack.enter_context(PageReceiver())
        settings = settings_of(world, workspace, receiver, folder=folder)
        config = write_config(settings, folder)
        serve = ServeProcess(config, folder / "serve.log")
        stack.enter_context(serve)
        workspace.wait_for_app()
        database = Database(database_url(load(str(config), environ={})))
        stack.callback(database.close)
        inbox = Inbox(database.engine, bytes(32), clock=lambda: datetime.now(UTC))  # it only counts
        card = opened(workspace, world.leaked_token)
        first = measure(workspace, inbox, card, clicks=clicks, rounds=1)
        others = measure(workspace, inbox, card, clicks=clicks, rounds=rounds)
    print(f"{clicks} clicks at once, {rounds} rounds: milliseconds until the acknowledgement")
    print("                 p50    p90    p99    max   not acknowledged")
    for name, timings, count in (("the first round", first, 1), ("the others", others, rounds)):
        shown = (*(timings.percentile(share) for share in (0.5, 0.9, 0.99)), max(timings.taken))
        row = "  ".join(f"{each:5.0f}" for each in shown)
        print(f"{name:15}{row}   {timings.lost} of {clicks * count}")


if __name__ == "__main__":
    main()
