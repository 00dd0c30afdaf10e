"""
The embedded cluster: kmock's Kubernetes emulator, served from a thread, with a kubeconfig file.

For machines without a cluster. It proves nothing about Kubernetes: no authorization (every access
review says "allowed"), no admission, no validation, no `continue`, no 410; strategic merge patches
replace lists as a whole. Against a real API server the same tests and the same demo run by
KUBECONFIG. What the emulator lacks and the demo needs is added in `emulator.py`; controllers are in
`rollouts.py`.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Self

import aiohttp.web

from bot.sandbox.emulator import ClusterEmulator
from bot.sandbox.loopback import LOOPBACK

CONTEXT = "embedded"


class EmbeddedCluster:
    """
    A cluster API on a free loopback port.

    `kubeconfig` names a file that every client understands; `address` is where it listens.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="cluster-") if not folder else None
        self._folder = folder or Path(self._temporary.name if self._temporary else "")
        self.kubeconfig = self._folder / "embedded-kubeconfig"
        self.address = ""
        self._changed = Condition()
        self._revision = 0
        self._started = Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._thread = Thread(target=self._serve, name="embedded-cluster", daemon=True)

    def start(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise RuntimeError("the embedded cluster did not start") from self._failure
        self.kubeconfig.write_text(json.dumps(_kubeconfig(self.address)), encoding="utf-8")
        return self

    def stop(self) -> None:
        if self._loop is not None and self._ended is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def wait_for_change(self, after: int, *, seconds: float, ended: Event | None = None) -> int:
        """
        Wait until the cluster's revision is beyond `after`, and return it.

        Returns early after `seconds`, or when `ended` is set and somebody called `wake`.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._revision > after or (ended is not None and ended.is_set()),
                timeout=seconds,
            )
            return self._revision

    def wake(self) -> None:
        """Make those who wait for a change look at their `ended`."""
        with self._changed:
            self._changed.notify_all()

    def _note_change(self, revision: int) -> None:
        with self._changed:
            self._revision = revision
            self._changed.notify_all()

    def _serve(self) -> None:
        try:
            asyncio.run(self._run())
        except OSError as error:
            self._failure = error
        finally:
            self._started.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        async with ClusterEmulator(on_change=self._note_change) as emulator:
            runner = aiohttp.web.ServerRunner(
                # A client that leaves ends its watch at once, not at the next event.
                aiohttp.web.Server(emulator.serve, handler_cancellation=True),
                shutdown_timeout=0.1,
            )
            await runner.setup()
            try:
                await aiohttp.web.TCPSite(runner, LOOPBACK, 0).start()
                self.address = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
                self._started.set()
                await self._ended.wait()
            finally:
                await runner.cleanup()


def _kubeconfig(address: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": {"server": address}}],
        "users": [{"name": "demo", "user": {}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "demo"}}],
        "current-context": CONTEXT,
    }
