"""
One leak from report to proof, with failures on its way, at DEBUG: nothing gets out.

A step of somebody else's package raises with the value in its message, Slack answers 500, OpenBao
answers 503, the process is a real one. Everything that it wrote or sent is searched.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from bot.sandbox.company import workspace_shape
from bot.sandbox.objects import ClusterObjects
from bot.sandbox.outside import Outside
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.story import incident_of
from bot.sandbox.workspace.messages import Message
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import STORE, World, manifests
from responders.playbook import OWN_FOLDER
from tests.canary.canary import Canary
from tests.servers.processes import (
    ServeProcess,
    locksmith,
    settings_of,
    wait_until_collected,
    write_config,
)
from tests.servers.store_proxy import StoreProxy

pytestmark = pytest.mark.slow

# A step as a third party might write it: it fails with the value in its own words.
CLUMSY = '''
"""Fails once, with everything it knows in the message."""
from pathlib import Path
from typing import ClassVar
from graph.connections import vault_errors
from responders.step import Receipt, Step, StepSettings, Verdict, VerdictKind

class Settings(StepSettings):
    pass

class Trip(Step[Settings]):
    name: ClassVar[str] = "clumsy.trip"
    permissions = ()
    reversible = False
    changes_world = False
    Settings = Settings

    def preview(self, settings):
        return "Trips."

    def targets(self, settings):
        return ()

    def apply(self, settings, context):
        client = context.connections.vault("main")
        read = client.secrets.kv.v2.read_secret_version
        with vault_errors("read the token"):
            found = read("payments/gateway", mount_point="kv", raise_on_deleted_version=True)
        token = found["data"]["data"]["token"]
        once = Path(__file__).with_name("tripped")
        if not once.exists():
            once.touch()
            raise RuntimeError(f"no route for {token}") from ValueError(token)
        return Receipt("It tripped before.")

    def verify(self, settings, receipt, context):
        return Verdict(VerdictKind.CONFIRMED, "It stands.")
'''


def install_clumsy_step(folder: Path) -> None:
    """Install a package with an entry point, as pip would."""
    package = folder / "clumsy-1.0.dist-info"
    package.mkdir(parents=True)
    (folder / "clumsy.py").write_text(CLUMSY)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: clumsy\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[responders.steps]\nclumsy = clumsy:Trip\n")


def write_playbook(folder: Path) -> None:
    """Write our playbook anew, with the clumsy step at its beginning."""
    folder.mkdir()
    book = yaml.safe_load((OWN_FOLDER / "http-api-token.yaml").read_text())
    book["steps"]["trip"] = {"use": "clumsy.trip", "title": "Trip", "phase": "rotate", "with": {}}
    book["orders"] = {name: ["trip", *steps] for name, steps in book["orders"].items()}
    (folder / "http-api-token.yaml").write_text(yaml.safe_dump(book, sort_keys=False))


def send_the_operator_through(proxy: StoreProxy, world: World) -> None:
    """Give the cluster the address that the bot has, so that both speak of one store."""
    objects = ClusterObjects(world.kubeconfig)
    for item in manifests(objects):
        if item["kind"] == "ClusterSecretStore":
            objects.patch(item, {"spec": {"provider": {"vault": {"server": proxy.address}}}})
    objects.close()


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(workspace_shape()) as running:
        yield running


@pytest.fixture
def serve(
    fresh_world: World,
    store_proxy: StoreProxy,
    workspace: Workspace,
    page_receiver: PageReceiver,
    tmp_path: Path,
) -> Iterator[ServeProcess]:
    send_the_operator_through(store_proxy, fresh_world)
    install_clumsy_step(tmp_path / "packages")
    write_playbook(tmp_path / "playbooks")
    settings = settings_of(fresh_world, workspace, page_receiver, folder=tmp_path)
    settings["vault"][STORE]["address"] = store_proxy.address
    settings["response"]["playbooks"] = str(tmp_path / "playbooks")
    settings["log_level"] = "DEBUG"
    variables = {"PYTHONPATH": str(tmp_path / "packages")}
    with ServeProcess(write_config(settings, tmp_path), tmp_path / "serve.log", variables) as run:
        workspace.wait_for_app()
        wait_until_collected(run.config)
        yield run


class Watch:
    """Looks at the root card as sam does."""

    def __init__(self, workspace: Workspace) -> None:
        self.sam = workspace.as_user("sam")
        self.incident = ""

    def card(self, where: Callable[[Message], object], timeout: float = 60) -> Message:
        return self.sam.wait_for_message(
            "#security",
            lambda m: not m.is_reply and self.incident in m.all_text and where(m),
            timeout=timeout,
        )


def test_with_failures_on_its_way_nothing_gets_out(  # noqa: PLR0917 - fixtures
    fresh_world: World,
    store_proxy: StoreProxy,
    workspace: Workspace,
    page_receiver: PageReceiver,
    serve: ServeProcess,
    tmp_path: Path,
) -> None:
    leaked, watch = fresh_world.leaked_token, Watch(workspace)
    rita, sue, sam = (workspace.as_user(name) for name in ("rita", "sue", "sam"))

    # Reported while Slack fails and the pager is down.
    workspace.fail_next("chat.postMessage", status=500, times=2)
    page_receiver.fail_with(500)
    message = rita.post("#general", f"the gateway says 401 to {leaked}")
    assert rita.shortcut(message, "leak_report_message")
    card = watch.card(lambda m: "payments/gateway" in m.all_text)
    watch.incident = incident_of(card)
    page_receiver.fail_with(None)

    # Approved; the first step crashes with the value in its exception.
    sue.click(watch.card(lambda m: "approval_ask" in m.buttons), "approval_ask")
    sam.click(watch.card(lambda m: "approval_review" in m.buttons), "approval_review")
    sam.modal(lambda view: view.callback_id == "approval_give", timeout=20)
    assert sam.submit({"confirmation": watch.incident}) is None
    stopped = watch.card(lambda m: "step_retry" in m.buttons)
    assert "RuntimeError" in stopped.all_text

    # Retried while OpenBao is not there for a moment, and Slack again.
    store_proxy.fail_next("PATCH", "/v1/kv/data/payments/gateway", times=2)
    store_proxy.fail_next("GET", "/v1/kv/data/payments/gateway", times=2)
    workspace.fail_next("chat.update", status=500, times=3)
    sam.click(stopped, "step_retry")
    watch.card(lambda m: "closed" in m.all_text, timeout=150)
    assert store_proxy.failed == 4
    with Outside(fresh_world) as outside:
        current = outside.token_in_store()
        assert current != leaked
        assert not outside.issuer_accepts(leaked)

    config = str(tmp_path / "given" / "config.yaml")
    record = locksmith("--config", config, "-v", "incident", "export", watch.incident)
    assert serve.stop() == 0
    assert '"where": "clumsy.py:' in serve.shown
    assert "step.unavailable" in serve.shown
    assert '"level": "debug"' in serve.shown

    canary = Canary()
    for name, value in (
        ("the leaked token", leaked),
        ("the new token", current),
        ("the issuer's admin token", fresh_world.issuer.admin_token),
        ("the bot's secret id", fresh_world.bot_secret_id),
    ):
        canary.plant(value, name=name)
    for sent in workspace.received:
        canary.hear(f"Slack ({sent.method})", sent.body)
    for page in (*page_receiver.received, *page_receiver.refused):
        canary.hear("a page", page.raw)
    assert record.returncode == 0
    canary.hear("the exported record", record.stdout + record.stderr)
    assert list(tmp_path.rglob("*-runs.db")), "no checkpoints to search"
    assert [str(hit) for hit in canary.search([tmp_path])] == []
    assert canary.searched > 500_000
