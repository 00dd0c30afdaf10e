"""
Thousands of values of every kind, through every door, with failures at every layer: none gets out.

The bot is whole: Slack, inbox, worker, desk, engine, pager, HTTP door, at DEBUG. Values are made by
`tests/benchmarks/labelled.py`, so no two runs send the same ones. FUZZ_ROUNDS=10 sends ten times as
many. What came out is searched after each test, and once more when the session ends.
"""

import base64
import io
import logging
import os
import random
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest
from sqlalchemy import Engine, text
from sqlmodel import SQLModel

from bot.sandbox.company import workspace_shape
from bot.sandbox.workspace.messages import Message
from bot.sandbox.workspace.rules import Refusal
from bot.sandbox.workspace.shape import Timing
from bot.settings import Config, WebSettings
from bot.slack.payloads import COMMAND_NAME
from bot.web import MAX_BODY
from bot.worker import ERRANDS
from tests.benchmarks.labelled import KINDS, Kind
from tests.bot.intake.scanner_reports import WITH_VALUES, Spot
from tests.bot.intake.senders import SENDERS, Sender, Sent, generic
from tests.bot.intake.test_every_hook import example
from tests.canary.canary import SHORTEST, Canary
from tests.scenarios.scene import PATIENCE, Scene, changed, eventually, running_scene
from tests.servers.processes import locksmith, settings_of, write_config
from tests.servers.store_proxy import StoreProxy

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "1"))
OF_EACH_FORMAT = 3  # values of each kind in one scanner's report
HOOKS = {
    name.replace(" ", "-"): {"kind": kind, "secret": sender.secret, "open_unmatched": False}
    for name, (kind, sender) in SENDERS.items()
}
# Slack's own names of things: what stands there goes back to Slack, as it must.
IDS = {
    *("id", "user", "channel", "ts", "user_id", "channel_id", "trigger_id", "response_url"),
    *("private_metadata", "actions", "action_id", "type", "command", "hook"),  # and what is ours
}
SLACK_LIMIT = 2_900  # characters of one form field


@dataclass
class Fuzz:
    scene: Scene
    proxy: StoreProxy
    door: httpx.Client
    log: io.StringIO
    plant: Callable[[str], str]
    chance: random.Random
    canary: Canary = field(default_factory=Canary)
    by: str = ""  # the door that is tried now
    sent: int = 0
    heard: dict[str, int] = field(default_factory=dict)

    def value(self, kind: Kind) -> str:
        """Make one value and watch for it, each long line of it for itself."""
        value = kind.make(self.chance)
        self.sent += 1
        lines = [line for line in value.splitlines()[1:-1] if len(line) > SHORTEST]
        for part in (value, *lines[1:]):  # every key begins with the same first line
            if len(part) >= SHORTEST:
                self.canary.plant(self.plant(part), name=f"a value of {kind.name} ({self.by})")
        return value

    def texts(self, kinds: Iterable[Kind]) -> Iterator[str]:
        """Say a new value of each kind in words that people use, now and then encoded or cut."""
        for kind in kinds:
            value = self.value(kind)
            words = self.chance.choice(kind.words).replace("{}", value)
            match self.chance.randrange(8):
                case 0:
                    yield base64.b64encode(words.encode()).decode()
                case 1:
                    yield quote(words)
                case 2:
                    yield "\x00\ufffd\u202e" + words + "\u200b" * 3
                case 3:
                    yield f'{{"a": [{{"b": "{words}'  # JSON that ends too early
                case _:
                    yield words

    def post(self, hook: str, sent: Sent) -> int:
        answer = self.door.post(f"/hooks/{hook}", content=sent.body, headers=sent.headers)
        self.canary.hear(f"the answer of /hooks/{hook}", answer.content + repr(answer).encode())
        return answer.status_code

    def settle(self) -> None:
        """Everything that came in is worked. What goes out waits for Slack's pace, in rows."""
        inbox = self.scene.inbox
        eventually(lambda: inbox.waiting() == 0, 120, "the inbox did not come to rest")

    def nothing_came_out(self) -> None:
        receiver = self.scene.receiver
        for each in self._new("sent", self.scene.workspace.received):
            self.canary.hear(f"Slack ({each.method})", each.body)
        for name, pages in (("taken", receiver.received), ("refused", receiver.refused)):
            for page in self._new(name, pages):
                self.canary.hear(f"a page that was {name}", page.raw)
        self.canary.hear("the log at DEBUG", self._new("log", self.log.getvalue()))
        hits = "\n".join(str(hit) for hit in self.canary.search([self.scene.folder]))
        self.canary.forget_heard()
        assert not hits, hits
        assert self.canary.searched > 100_000

    def _new(self, name: str, everything: Any) -> Any:
        """Cut off what was heard before."""
        start, self.heard[name] = self.heard.get(name, 0), len(everything)
        return everything[start:]


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Fuzz]:
    plugin = pytestconfig.pluginmanager.get_plugin("locksmith-canary")
    assert plugin is not None
    proxies: list[StoreProxy] = []

    def prepared(config: Config) -> Config:
        proxies.append(StoreProxy(config.vault["main"].address))
        web = WebSettings.model_validate({"listen": "127.0.0.1:0", "hooks": HOOKS})
        made: Config = changed(
            config, {"web": web, "vault": {"main": {"address": proxies[0].address}}}
        )
        proxies[0].__enter__()
        return made

    log = io.StringIO()
    # What comes out is searched here, not how soon: `bench_ack` measures that.
    shape = replace(
        workspace_shape(), timing=Timing(ack_seconds=PATIENCE, trigger_seconds=PATIENCE)
    )
    with running_scene(tmp_path_factory.mktemp("fuzz"), shape=shape, change=prepared) as scene:
        listener = logging.StreamHandler(log)
        listener.setFormatter(logging.getLogger().handlers[0].formatter)
        listeners = (logging.getLogger(), logging.getLogger("dbos"))
        for logger in listeners:
            logger.addHandler(listener)
        web = scene.serving.web
        assert web is not None
        with httpx.Client(base_url=f"http://{web.address}", trust_env=False, timeout=60) as door:
            yield Fuzz(scene, proxies[0], door, log, plugin.canary.plant, random.Random())  # noqa: S311
        for logger in listeners:
            logger.removeHandler(listener)
    proxies[0].__exit__()


def by_turns(number: int, of: int) -> list[Kind]:
    """Give each door its share of the kinds, another one each round."""
    return [kind for place, kind in enumerate(KINDS) if place % of == number % of]


@pytest.mark.parametrize("name", WITH_VALUES)
def test_reports_of_scanners(fuzz: Fuzz, name: str) -> None:
    _, write = WITH_VALUES[name]
    for _ in range(ROUNDS):
        values = [fuzz.value(kind) for kind in KINDS for _ in range(OF_EACH_FORMAT)]
        spots = [
            Spot(value, path=f"a/{value[:200]}/{number}.env", rule=f"rule {value}", line=number)
            for number, value in enumerate(values)
        ]
        body = write(spots).encode()
        now = datetime.now(UTC)
        assert fuzz.post("generic", generic(body, now)) == 202
        cut = body[: len(body) * 2 // 3]
        assert fuzz.post("generic", generic(cut, now)) in {202, 400}
        assert (
            fuzz.post("generic", Sent({"X-Locksmith-Signature": f"t=1,v1={values[0]}"}, body))
            == 401
        )
    fuzz.settle()
    fuzz.nothing_came_out()


@pytest.mark.parametrize("name", SENDERS)
def test_webhooks_in_and_out_of_shape(fuzz: Fuzz, name: str) -> None:
    kind, sender = SENDERS[name]
    hook = name.replace(" ", "-")
    for kinds in (by_turns(number, 12) for number in range(ROUNDS)):
        values = [fuzz.value(each) for each in kinds]
        payload = orjson.loads(orjson.dumps(example(kind)))
        for shape in (payload, planted(payload, values, fuzz.chance), values, values[0]):
            send(fuzz, hook, sender, shape)
        body = orjson.dumps(planted(payload, values, fuzz.chance))
        refused = fuzz.post(hook, Sent({**sender(payload, datetime.now(UTC)).headers}, body[:-3]))
        assert refused in {200, 202, 400, 401}  # GitLab's plain token signs no body
        wrong = dict.fromkeys(sender(payload, datetime.now(UTC)).headers, values[0].splitlines()[0])
        assert fuzz.post(hook, Sent({k: v[:200] for k, v in wrong.items()}, body)) in {
            400,
            401,
            415,
        }
    big = "\n".join(values).encode() * (MAX_BODY // len("\n".join(values)) + 2)
    assert fuzz.post(hook, Sent({}, big)) == 413
    fuzz.settle()
    fuzz.nothing_came_out()


def send(fuzz: Fuzz, hook: str, sender: Sender, payload: object) -> None:
    assert fuzz.post(hook, sender(payload, datetime.now(UTC))) in {200, 202, 400}


def planted(payload: Any, values: list[str], chance: random.Random) -> Any:
    """Put values into the strings of a payload, and turn a part of it into another type."""
    match payload:
        case dict():
            return {
                key: inner if key in IDS else planted(inner, values, chance)
                for key, inner in payload.items()
            }
        case list():
            return [planted(inner, values, chance) for inner in payload]
        case str() if chance.random() < 0.5:
            return f"{payload} {chance.choice(values)}"
        case _ if chance.random() < 0.1:
            return [payload, {chance.choice(values): None}]
    return payload


def test_whatever_people_do_in_slack(fuzz: Fuzz) -> None:
    for turn in range(ROUNDS):
        doors = (
            posted,
            edited,
            pointed_at,
            typed_into_the_form,
            in_the_command,
            in_a_thread,
            direct,
        )
        for number, door in enumerate(doors):
            fuzz.by = door.__name__
            for words in fuzz.texts(by_turns(number + turn, len(doors))):
                door(fuzz, words)
    fuzz.settle()
    assert len(fuzz.scene.incidents()) > len(KINDS) // 2
    fuzz.nothing_came_out()


def posted(
    fuzz: Fuzz, words: str, *, channel: str = "#general", thread: str | None = None
) -> Message:
    return fuzz.scene.be("rita").post(channel, words, thread_ts=thread)


def edited(fuzz: Fuzz, words: str) -> None:
    message = posted(fuzz, "nothing yet")
    fuzz.scene.be("rita").edit(message, words)


def pointed_at(fuzz: Fuzz, words: str) -> None:
    message = posted(fuzz, words)
    fuzz.scene.be("ben").shortcut(message, "leak_report_message")


def typed_into_the_form(fuzz: Fuzz, words: str) -> None:
    fuzz.settle()
    beside = words if len(words) <= 200 else ""
    fields = {"value": words[:SLACK_LIMIT], "note": beside, "where": beside}
    fuzz.scene.fill_in(fields, by="rita")


def in_the_command(fuzz: Fuzz, words: str) -> None:
    fuzz.scene.be("rita").command("#general", f"/leak uses {' '.join(words.split())}")


def in_a_thread(fuzz: Fuzz, words: str) -> None:
    root = posted(fuzz, "look at this")
    posted(fuzz, f"@locksmith {words}", thread=root.ts)


def direct(fuzz: Fuzz, words: str) -> None:
    try:
        posted(fuzz, words, channel="@locksmith")
    except Refusal as refused:  # the messages tab is off
        fuzz.canary.hear("a refusal of Slack", str(refused))


def test_payloads_that_nobody_ever_sent(fuzz: Fuzz) -> None:
    """Every errand of the worker: parts missing, wrong types, values everywhere."""
    inbox = fuzz.scene.inbox
    for number in range(ROUNDS):
        values = [fuzz.value(kind) for kind in by_turns(number, 6)]
        for kind, name in ERRANDS:
            for payload in payloads(kind, name, values, fuzz.chance):
                inbox.put(secrets.token_hex(8), payload, kind=kind, name=name)
    fuzz.settle()
    assert fuzz.log.getvalue().count("entry.failed") > 0, "nothing broke: the payloads are too tame"
    fuzz.nothing_came_out()


def payloads(
    kind: str, name: str, values: list[str], chance: random.Random
) -> Iterator[Mapping[str, Any]]:
    value = chance.choice(values)
    message = {"ts": "1.2", "text": value, "user": "U0RITA", "attachments": [{"text": value}]}
    whole: dict[str, Any] = {
        "type": kind,
        "event": {"type": name, "channel": "C0GENERAL", **message},
        "user": {"id": "U0RITA"},
        "channel": {"id": "C0GENERAL", "name": "general"},
        "message": message,
        "actions": [{"action_id": name, "value": "inc-000000"}],
        "view": {
            "id": "V0FUZZ",
            "private_metadata": "inc-000000",
            "state": {"values": {"value": {"x": {"value": value}}}},
        },
        "text": value,
        "trigger_id": "1.2.3",
        "hook": "generic",
        "body": value,
        "token": value,
    }
    if kind == "command":
        whole |= {"command": COMMAND_NAME, "user_id": "U0RITA", "channel_id": "C0GENERAL"}
    yield whole
    yield planted(whole, values, chance)
    gone = chance.choice(sorted(whole))
    yield {each: inner for each, inner in whole.items() if each != gone}
    yield {**whole, chance.choice(sorted(set(whole) - IDS)): [value]}
    yield {value: value}


def test_while_slack_the_store_and_the_database_fail(fuzz: Fuzz) -> None:
    workspace, rita = fuzz.scene.workspace, fuzz.scene.be("rita")
    for kind in by_turns(0, 24):  # Slack answers badly, too late, or not at all; the pager is down
        workspace.fail_next("chat.postMessage", status=500)
        workspace.fail_next("chat.postMessage", drop=True, after_processing=True)
        workspace.fail_next("chat.postEphemeral", error="invalid_blocks")
        workspace.fail_next("chat.update", status=429, retry_after=1)
        fuzz.scene.receiver.fail_with(500)
        posted(fuzz, f"it says {fuzz.value(kind)}")
    fuzz.scene.receiver.fail_with(None)
    for kind in by_turns(1, 24):  # whoever is asked whose token it is answers nonsense
        fuzz.proxy.fail_next("POST", "/v1/auth/token/lookup", status=500, times=2)
        posted(fuzz, f"hvs.{secrets.token_urlsafe(70)} and {fuzz.value(kind)}")
    engine = fuzz.scene.serving.graph.database.engine
    tables = fuzz.chance.sample(sorted(SQLModel.metadata.tables), 8 * ROUNDS)
    for table in {"inbox", "outbox", "incident", *tables}:
        value = fuzz.value(fuzz.chance.choice(KINDS))
        with without(engine, table):
            rita.post("#general", f"the key is {value}")
            rita.command("#general", f"/leak {' '.join(value.split())}")
            body = orjson.dumps({"value": value, "where": value[:100], "note": value})
            fuzz.post("generic", generic(body, datetime.now(UTC)))
    logged = fuzz.log.getvalue()
    assert "The database did not answer" in logged
    fuzz.nothing_came_out()  # what waits for its next attempt lies sealed in the inbox


@contextmanager
def without(engine: Engine, table: str) -> Iterator[None]:
    """Have every statement on one table fail, as in a database that lost it."""
    for before, after in ((table, f"{table}_away"), (f"{table}_away", table)):
        with engine.begin() as connection:
            connection.execute(text("PRAGMA legacy_alter_table = ON"))
            connection.execute(text(f'ALTER TABLE "{before}" RENAME TO "{after}"'))
        if before == table:
            yield


def test_the_command_line(fuzz: Fuzz, tmp_path: Path) -> None:
    scene = fuzz.scene
    settings = settings_of(scene.world, scene.workspace, scene.receiver, folder=tmp_path)
    good = str(write_config(settings, tmp_path))
    values = [fuzz.value(kind) for kind in by_turns(0, 24)]
    paste = "\n".join(values)
    given = tmp_path / "given" / "paste.txt"
    given.write_text(paste)
    report = WITH_VALUES["gitleaks"][1]([Spot(value) for value in values])
    broken = tmp_path / "given" / "broken.json"
    broken.write_text(report[:-40])
    as_rita = ("--as", "rita@example.com")
    runs = (
        ("report", "--value-stdin", *as_rita),
        ("report", "--file", str(given), "--json", *as_rita),
        ("blast-radius", "--value-stdin"),
        ("import", str(broken), *as_rita),
        ("report", values[0].splitlines()[0], *as_rita),
    )
    for arguments in runs:
        ended = locksmith("--config", good, "-v", *arguments, given=paste)
        fuzz.canary.hear(f"the output of {arguments[0]}", ended.stdout + ended.stderr)
        assert "Traceback" not in ended.stderr, arguments[0]
    settings["database"] = {"url": f"sqlite:///{tmp_path}/given"}  # a folder
    bad = str(write_config(settings, tmp_path))
    ended = locksmith("--config", bad, "-v", "report", "--value-stdin", *as_rita, given=paste)
    assert ended.returncode in {1, 2}
    fuzz.canary.hear("the output of report", ended.stdout + ended.stderr)
    fuzz.canary.hear(
        "the data", b"".join(p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file())
    )
    fuzz.nothing_came_out()


def test_thousands_were_sent(fuzz: Fuzz) -> None:
    """Runs last: the tests of a file run in order."""
    if not fuzz.sent:
        pytest.skip("nothing of this file ran before it: run the whole file")
    assert fuzz.sent > 2_000 * ROUNDS
