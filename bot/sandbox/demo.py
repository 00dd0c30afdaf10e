"""
`locksmith demo`: the whole story on one machine, to click through or played headless.

Everything around the bot is a server on loopback; the bot itself is the one that `serve` runs.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from bot.ending import Ending
from bot.logs import configure_logging
from bot.sandbox.company import demo_config, workspace_shape
from bot.sandbox.outside import Outside
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.story import PartFailedError, Story
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import World, running_world
from bot.serving import Serving
from graph.errors import LocksmithError

_console = Console(highlight=False, soft_wrap=True)


@contextmanager
def running_demo(kubeconfig: Path | None, *, port: int = 0) -> Iterator[Story]:
    """Start the company, its Slack and Locksmith; everything is gone at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="locksmith-demo-")))
        world: World = stack.enter_context(
            running_world(kubeconfig, folder=_made(folder / "world"))
        )
        receiver = stack.enter_context(PageReceiver())
        workspace = stack.enter_context(Workspace(workspace_shape(), port=port))
        data = _made(folder / "data")
        log = stack.enter_context((data / "locksmith.log").open("w", encoding="utf-8"))
        configure_logging("DEBUG", as_json=True, stream=log)
        config = demo_config(world, workspace, receiver, folder=data)
        serving = stack.enter_context(Serving(config))
        workspace.wait_for_app()
        outside = stack.enter_context(Outside(world))
        yield Story(
            world=world,
            outside=outside,
            workspace=workspace,
            receiver=receiver,
            serving=serving,
            folder=folder,
        )


def show_demo(kubeconfig: Path | None, *, port: int = 0) -> None:
    """Start everything and say where to click, until Ctrl-C."""
    ending = Ending()
    _console.print("Starting OpenBao, a cluster, a Slack workspace and Locksmith …")
    with running_demo(kubeconfig, port=port) as story:
        story.serving.collected_once.wait(60)
        ci = story.world.issue_ci_token()
        _console.print(f"""
Open [bold]{story.workspace.page_url}[/]

You can be anybody there. A story to try:
  1. As [bold]rita[/], paste this live payments token into #general (it opens the demo only):
       {story.world.leaked_token}
     Locksmith sees it. Or use the message's menu: “Report a leak”.
  2. As [bold]sam[/], look into #security: one card, with everything that matters.
     Press “Ask for approval”. Sam cannot approve what Sam asked for.
  3. As [bold]sue[/], press “Review & approve”. Watch the steps run.
  4. As [bold]ben[/], type: /leak uses payments/gateway
  5. As [bold]rita[/], report this OpenBao token with /leak: see what it opens.
       {ci.token}

Locksmith's log: {story.folder / "data" / "locksmith.log"}
Ctrl-C ends the demo and removes all of it.""")
        ending.wait()
    _console.print("The demo has ended; nothing of it is left.")


def check_demo(kubeconfig: Path | None) -> bool:
    """Play the story headless; print one line per part, tell whether all parts are true."""
    began = time.monotonic()
    where = f"the cluster of {kubeconfig}" if kubeconfig else "the embedded cluster"
    with running_demo(kubeconfig) as story:
        _line("✓", "everything is up", time.monotonic() - began, where)
        for name, play in story.parts():
            started = time.monotonic()
            try:
                seen = play()
            except (PartFailedError, TimeoutError, LocksmithError, StopIteration) as error:
                _line("✗", name, time.monotonic() - started, str(error) or type(error).__name__)
                _explain(story)
                return False
            _line("✓", name, time.monotonic() - started, seen)
    _console.print(f"All parts of the story are true ({time.monotonic() - began:.1f} s).")
    return True


def _line(sign: str, name: str, seconds: float, seen: str) -> None:
    _console.print(f"{sign} {name:<52} {seconds:6.2f} s  {seen}", markup=False)


def _explain(story: Story) -> None:
    """Show what a person would look at: the security channel and the end of the log."""
    logging.getLogger().handlers[0].flush()
    for message in story.workspace.as_user("sam").messages("#security")[-2:]:
        _console.print(f"--- #security\n{message.all_text}", markup=False)
    log = (story.folder / "data" / "locksmith.log").read_text(encoding="utf-8")
    _console.print("--- the end of the log\n" + "\n".join(log.splitlines()[-25:]), markup=False)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
