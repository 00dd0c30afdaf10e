"""
Locksmith as its own process, as people start it: `python -m bot …` with a config.yaml.

The configuration is the demo's, written to a file with its secrets in it or beside it; the folder
is called `given`, because it holds what people hand over. Output goes to files that are searched.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, SecretStr

from bot.config import load
from bot.graph_parts import graph_parts
from bot.sandbox.company import demo_config
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import World
from graph.queries.blast_radius import blast_radius
from graph.refs import Ref
from tests.canary.canary import GIVEN

ROOT = Path(__file__).parents[2]
CONNECTED = "Locksmith is connected to Slack."
GATEWAY = "vault://main/kv/payments/gateway"


def settings_of(
    world: World, workspace: Workspace, receiver: PageReceiver, *, folder: Path
) -> dict[str, Any]:
    """Give the demo's configuration as what stands in a config.yaml, secrets included."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    found = _plain(demo_config(world, workspace, receiver, folder=data))
    assert isinstance(found, dict)
    return found


def write_config(settings: Mapping[str, Any], folder: Path) -> Path:
    path = folder / GIVEN / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(settings)))
    return path


def _plain(value: object) -> object:
    match value:
        case BaseModel():
            dumped = {name: getattr(value, name) for name in type(value).model_fields}
            return _plain(dumped | (value.model_extra or {}))
        case SecretStr():
            return value.get_secret_value()
        case Enum():
            return value.value
        case Mapping():
            return {_plain(key): _plain(inner) for key, inner in value.items() if inner is not None}
        case str() | int() | float() | bool() | None:
            return value
        case Sequence():
            return [_plain(inner) for inner in value]
    raise TypeError(type(value).__name__)


def environment(**more: str) -> dict[str, str]:
    """Give the environment of a process that knows no configuration but what it is given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LOCKSMITH_", "KUBECONFIG"))}
    paths = [more.pop("PYTHONPATH", ""), str(ROOT)]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "200"} | more


def wait_until_collected(config: Path, *, consumers: int = 8, seconds: float = 60.0) -> None:
    """Wait until the database of `config` knows the payments token, its owner and its consumers."""
    parts = graph_parts(load(str(config), environ={}))
    deadline = time.monotonic() + seconds
    try:
        while True:
            known = blast_radius(parts.repository.snapshot(), [(Ref(GATEWAY), "token")])
            owned = any(claim.ref == GATEWAY for claim in known.owners)
            if owned and len(known.consumers) == consumers:
                return
            assert time.monotonic() < deadline, f"{len(known.consumers)} consumers, {known.gaps}"
            time.sleep(0.1)
    finally:
        parts.close()


def locksmith(
    *arguments: str, given: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; `given` goes to its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(**more),
        cwd=ROOT,
    )


@dataclass
class ServeProcess:
    """`locksmith serve` from `start()` to `stop()`; `log` collects what it prints."""

    config: Path
    log: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 60.0) -> Self:
        before = self.shown.count(CONNECTED)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot", "--config", str(self.config), "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(PYTHONUNBUFFERED="1", **self.variables),
                cwd=ROOT,
                start_new_session=True,
            )
        self.wait_until_shown(CONNECTED, times=before + 1, seconds=seconds)
        return self

    def wait_until_shown(self, text: str, *, times: int = 1, seconds: float = 60.0) -> None:
        """Wait until it has printed `text`; it must not end meanwhile."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        while self.shown.count(text) < times:
            assert self.process.poll() is None, f"it ended:\n{self.shown[-3000:]}"
            assert time.monotonic() < deadline, f"no “{text}”:\n{self.shown[-3000:]}"
            time.sleep(0.05)

    @property
    def shown(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self, *, seconds: float = 20.0) -> int:
        """End it with SIGTERM; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
