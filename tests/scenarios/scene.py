"""One company with the running bot, and what its people do: report, ask, approve, look."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.inbox import Inbox, inbox_key
from bot.keys import installation_keys
from bot.outbox import Outbox
from bot.sandbox.company import demo_config, workspace_shape
from bot.sandbox.objects import ClusterObjects
from bot.sandbox.outside import Outside
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.messages import Message, View
from bot.sandbox.workspace.people import PATIENCE, Person
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.shape import WorkspaceShape
from bot.sandbox.world import World, running_world
from bot.serving import Serving
from bot.settings import Config
from graph.collect import CollectedSource, collect
from responders.incident import Case

GATEWAY = "vault://main/kv/payments/gateway#token"
QUICK = {
    "collect": {"interval_seconds": 3600},  # a story says itself when sources are read
    "response": {"retry_seconds": (0.2, 0.3)},
    "kubernetes": {"demo": {"volume_sync_seconds": 2}},
}


@dataclass
class Scene:
    """The company; `serving` is the bot that runs now."""

    world: World
    workspace: Workspace
    receiver: PageReceiver
    outside: Outside
    folder: Path
    config: Config
    objects: ClusterObjects
    serving: Serving = field(init=False)

    def start(self) -> None:
        self.serving = Serving(self.config)
        self.serving.__enter__()
        self.workspace.wait_for_app()
        assert self.serving.collected_once.wait(60), "no collection"

    def stop(self) -> None:
        self.workspace.cut_connections()  # else the SDK waits for its read to time out
        self.serving.__exit__(None, None, None)

    def restart(self) -> None:
        self.stop()
        self.start()

    def collect(self) -> list[CollectedSource]:
        """Read every source now, as the bot's own loop does."""
        graph = self.serving.graph
        return list(collect(graph.repository, graph.collect_context, now=graph.now()))

    def be(self, name: str) -> Person:
        return self.workspace.as_user(name)

    def report(self, value: str, *, by: str = "rita", **fields: str) -> str:
        """Report by the form of `/leak`; the incident's id, read off what the reporter is told."""
        view = self.fill_in({"value": value, **fields}, by=by)
        return incident_in(view.all_text)

    def fill_in(self, fields: Mapping[str, str], *, by: str) -> View:
        """Fill in the report form; what stands in its place when the bot has looked."""
        person = self.open_form(by)
        assert person.submit(dict(fields)) is None
        view = person.modal(
            lambda v: not v.inputs and "looking" not in v.all_text, timeout=PATIENCE
        )
        person.close(everything=True)
        return view

    def open_form(self, by: str) -> Person:
        person = self.be(by)
        assert person.command("#general", "/leak")
        person.modal(lambda view: view.callback_id == "leak_report_form")
        return person

    def ask(self, line: str, *, by: str = "ben", channel: str = "#general") -> Message:
        """Say a line to the bot; its private answer."""
        person = self.be(by)
        before = {message.ts for message in person.ephemerals(channel)}
        assert person.command(channel, line)
        return person.wait_for_message(
            channel, lambda m: m.ephemeral_to == person.id and m.ts not in before, timeout=PATIENCE
        )

    def card(
        self, incident: str, where: Callable[[Message], object] = bool, timeout: float = PATIENCE
    ) -> Message:
        """The incident's root card, once it is as wanted, as sam sees it."""
        return self.be("sam").wait_for_message(
            "#security",
            lambda m: not m.is_reply and incident in m.all_text and where(m),
            timeout=timeout,
        )

    def card_now(
        self, incident: str, where: Callable[[Message], object] = bool, timeout: float = PATIENCE
    ) -> Message:
        """The root card, once it is as wanted and shows the rows as they are now."""
        return self.card(
            incident,
            lambda m: where(m) and f"revision {self.case(incident).revision}" in m.all_text,
            timeout,
        )

    def cards(self, incident: str) -> list[Message]:
        messages = self.be("sam").messages("#security")
        return [m for m in messages if not m.is_reply and incident in m.all_text]

    def thread_says(self, incident: str, *parts: str) -> None:
        """Wait until all of `parts` are said in the incident's thread, the card included."""
        root, sam = self.card(incident), self.be("sam")

        def text() -> str:
            return "\n".join(each.all_text for each in sam.thread("#security", root.ts))

        with suppress(TimeoutError):
            self.workspace.wait_for(lambda: all(part in text() for part in parts), PATIENCE)
        says(text(), *parts)

    def ask_approval(self, incident: str, *, by: str = "sue") -> Message:
        card = self.card(incident, lambda m: "approval_ask" in m.buttons)
        self.be(by).click(card, "approval_ask")
        return self.card(incident, lambda m: "approval_review" in m.buttons)

    def approve(self, incident: str, *, by: str = "sam") -> None:
        """Review and approve; returns when the bot has taken the form."""
        self.review(incident, by=by)
        assert self.be(by).submit(self.typed(incident, by)) is None

    def review(self, incident: str, *, by: str = "sam") -> View:
        card = self.card(incident, lambda m: "approval_review" in m.buttons)
        person = self.be(by)
        person.click(card, "approval_review")
        return person.modal(
            lambda v: v.callback_id == "approval_give" and incident in v.all_text, timeout=PATIENCE
        )

    def typed(self, incident: str, by: str) -> dict[str, str]:
        form = self.be(by).modal(lambda view: view.callback_id == "approval_give")
        return {"confirmation": incident} if "confirmation" in form.inputs else {}

    def refusal(self, name: str, words: str) -> Message:
        """What a person was told in private, newest first, that holds `words`."""
        person = self.be(name)
        return person.wait_for_message(
            "#security",
            lambda m: m.ephemeral_to == person.id and words in m.all_text,
        )

    def case(self, incident: str) -> Case:
        return self.serving.response.desk.case(incident)

    def incidents(self) -> list[Case]:
        return list(self.serving.response.desk.cases())

    @property
    def inbox(self) -> Inbox:
        graph = self.serving.graph
        key = installation_keys(self.config).present.get_secret_value()
        return Inbox(graph.database.engine, inbox_key(key), clock=graph.now)

    def wait_until_idle(self, seconds: float = PATIENCE) -> None:
        """Nothing waits in the inbox or the outbox, and the cards are as the rows."""
        graph, inbox = self.serving.graph, self.inbox
        outbox = Outbox(graph.database.engine, clock=graph.now)
        eventually(
            lambda: inbox.waiting() == 0 and outbox.pending() == 0,
            seconds,
            "the bot did not come to rest",
        )


@contextmanager
def running_scene(
    folder: Path,
    *,
    shape: WorkspaceShape | None = None,
    change: Callable[[Config], Config] = lambda config: config,
) -> Iterator[Scene]:
    """Start everything; `change` may edit the bot's settings."""
    with ExitStack() as stack:
        world = stack.enter_context(running_world(folder=folder / "world"))
        receiver = stack.enter_context(PageReceiver())
        workspace = stack.enter_context(Workspace(shape or workspace_shape()))
        config = changed(demo_config(world, workspace, receiver, folder=folder / "data"), QUICK)
        objects = ClusterObjects(world.kubeconfig)
        stack.callback(objects.close)
        scene = Scene(
            world=world,
            workspace=workspace,
            receiver=receiver,
            outside=stack.enter_context(Outside(world)),
            folder=folder,
            config=change(config),
            objects=objects,
        )
        scene.start()
        stack.callback(scene.stop)
        yield scene
        assert workspace.complaints == [], workspace.complaints


def changed(config: Any, changes: Mapping[str, Any]) -> Any:
    """Change settings in depth; everything is validated again."""
    update: dict[str, Any] = {}
    for key, value in changes.items():
        now = getattr(config, key) if not isinstance(config, Mapping) else config[key]
        update[key] = changed(now, value) if isinstance(value, Mapping) else value
    if isinstance(config, Mapping):
        return {**config, **update}
    return config.model_copy(update=update)


def eventually(look: Callable[[], object], seconds: float = PATIENCE, otherwise: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, otherwise or "it did not come to pass"
        threading.Event().wait(0.03)  # between two looks at the condition


def incident_in(text: str) -> str:
    """Read the incident's id off a text."""
    found = [word.strip("`.,:") for word in text.split() if word.startswith("`inc-")]
    assert found, f"no incident is named in:\n{text}"
    return found[0]


def says(text: str, *parts: str) -> bool:
    missing = [part for part in parts if part not in text]
    assert not missing, f"{missing} is not said in:\n{text}"
    return True
