"""
Runs the canary over every test session (and every worker of one); a hit fails the session.

The sandbox's servers are listened to, not replaced: each wrapped method does all of its work, and
the canary learns which values the world was built with and every byte that the bot sent. Logging
is the product's own, at DEBUG, into a file that is searched with the rest.

Not searched: what the servers store themselves (OpenBao, the cluster), folders named `given`, and
databases on a PostgreSQL server, which are dropped with their test.
"""

import functools
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.logs import configure_logging
from bot.sandbox.issuer import Paygate
from bot.sandbox.openbao import OpenBaoServer
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.store import StoreContents
from bot.sandbox.workspace.record import Ledger
from tests.canary.canary import SHORTEST, Canary

LOG = "the log at DEBUG"


class CanaryPlugin:
    """One per process: plants, listens, and searches at the end."""

    def __init__(self) -> None:
        self.canary = Canary()
        self.folders: list[Path] = []
        self._found: list[str] = []
        self._summary: list[str] = []
        # "a+": what is written is read back at the end; no other process needs to find it.
        self._log = tempfile.TemporaryFile("a+", encoding="utf-8")  # noqa: SIM115 - until the end
        self._handler: logging.Handler | None = None
        self._listen()

    def _listen(self) -> None:
        watch, hear = self._watch, self.canary.hear

        def values_of(contents: StoreContents) -> None:
            for path in contents._contents["secrets"]:
                for field, value in (contents.read(path) or {}).items():
                    watch(value, f"{path}#{field}")

        after(StoreContents, "fill", lambda me, result, *_: values_of(me))
        after(StoreContents, "issue_token", lambda me, result, *_: watch(result[0], "a token"))
        after(StoreContents, "bot_login", lambda me, result, *_: watch(result[1], "a secret id"))
        after(Paygate, "issue", lambda me, result, *_: watch(result[1], "an issued token"))
        after(Paygate, "start", lambda me, result, *_: watch(me.admin_token, "the admin token"))
        after(OpenBaoServer, "start", lambda me, result, *_: watch(me.root_token, "a root token"))
        after(Ledger, "record", lambda me, result, method, body: hear(f"Slack ({method})", body))
        after(PageReceiver, "_answer", lambda me, result, request: hear("a page", request.body))

    def _watch(self, value: str, name: str) -> None:
        if len(value) >= SHORTEST:  # shorter ones of the world are names, such as user names
            self.canary.plant(value, name=name)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        # Before each test, because a test may have configured logging for itself.
        if self._handler is None or self._handler not in logging.getLogger().handlers:
            configure_logging("DEBUG", as_json=True, stream=self._log)
            self._handler = logging.getLogger().handlers[0]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Only what was printed: the log is in the file as the product would have written it.
        self.canary.hear(f"the output of {report.nodeid}", report.capstdout + report.capstderr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._log.seek(0)
        self.canary.hear(LOG, self._log.read())
        hits = [str(hit) for hit in self.canary.search(self.folders)]
        line = (
            f"{self.canary.planted} values watched, {self.canary.searched:,} bytes searched, "
            f"{len(hits)} hits"
        )
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["canary"] = {"hits": hits, "line": line}
            return
        self._found += hits
        self._summary.append(line)
        if self._found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of pytest-xdist found."""
        said = getattr(node, "workeroutput", {}).get("canary")
        if said is not None:
            self._found += said["hits"]
            self._summary.append(f"{node.gateway.id}: {said['line']}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._found:
            terminalreporter.section("a secret value leaked", red=True)
            for line in self._found:
                terminalreporter.write_line(line)
        for line in self._summary:
            terminalreporter.write_line(f"canary: {line}")


def after(cls: type, name: str, then: Callable[..., object]) -> None:
    """Have `then(self, result, *arguments)` told of each call of a method, once it is done."""
    method = cls.__dict__[name] if name in cls.__dict__ else getattr(cls, name)

    @functools.wraps(method)
    def told(me: Any, *arguments: Any, **options: Any) -> Any:
        result = method(me, *arguments, **options)
        then(me, result, *arguments, *options.values())
        return result

    setattr(cls, name, told)


def _plugin(config: pytest.Config) -> CanaryPlugin:
    plugin = config.pluginmanager.get_plugin("locksmith-canary")
    assert isinstance(plugin, CanaryPlugin)
    return plugin


@pytest.fixture(scope="session", autouse=True)
def _files_are_searched(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _plugin(pytestconfig).folders.append(tmp_path_factory.getbasetemp())


@pytest.fixture
def plant(pytestconfig: pytest.Config) -> Callable[[], str]:
    """Make a value that must turn up nowhere until the session ends."""
    return _plugin(pytestconfig).canary.plant


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CanaryPlugin(), "locksmith-canary")
