"""
One message and one view as rows: frozen snapshots, and how Slack writes them in JSON.

A change makes a new snapshot, so a reader in another thread never sees half of one.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from bot.sandbox.workspace.refusal import Json
from bot.sandbox.workspace.rules import texts_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`ephemeral_to` names the one user who sees it; `edited` is the ts of the last edit."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: tuple[Json, ...] = ()
    bot_id: str | None = None
    thread_ts: str | None = None
    broadcast: bool = False
    edited: str | None = None
    ephemeral_to: str | None = None
    subtype: str | None = None
    files: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    metadata: Json | None = None
    pinned: bool = False

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def all_text(self) -> str:
        """The fallback text and every text in the blocks: what a person could read."""
        return "\n".join([self.text, *texts_in(list(self.blocks)), *texts_in(self.attachments)])

    @property
    def elements(self) -> list[Json]:
        return elements_in(list(self.blocks))

    @property
    def buttons(self) -> dict[str, str]:
        """action_id -> label of every button."""
        return {
            element["action_id"]: element["text"]["text"]
            for element in self.elements
            if element["type"] == "button"
        }

    def payload(self) -> Json:
        """As Slack writes a message in events, in history and in interactions."""
        body: Json = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        if self.subtype is not None:
            body["subtype"] = self.subtype
        if self.bot_id is not None:
            body["bot_id"] = self.bot_id
        if self.blocks:
            body["blocks"] = [dict(block) for block in self.blocks]
        if self.thread_ts is not None:
            body["thread_ts"] = self.thread_ts
        if self.edited is not None:
            body["edited"] = {"user": self.user, "ts": self.edited}
        if self.files:
            body["files"] = list(self.files)
        if self.attachments:
            body["attachments"] = list(self.attachments)
        if self.metadata is not None:
            body["metadata"] = self.metadata
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A modal on a person's screen, or a person's App Home. `body` is what the app sent."""

    id: str
    user: str
    body: Json
    hash: str
    root_id: str
    previous_id: str | None = None

    @property
    def callback_id(self) -> str:
        return str(self.body.get("callback_id") or "")

    @property
    def title(self) -> str:
        title: Json = self.body.get("title") or {}
        return str(title.get("text", ""))

    @property
    def blocks(self) -> list[Json]:
        return list(self.body["blocks"])

    @property
    def elements(self) -> list[Json]:
        return elements_in(self.blocks)

    @property
    def all_text(self) -> str:
        return "\n".join([self.title, *texts_in(self.blocks)])

    @property
    def inputs(self) -> dict[str, Json]:
        """block_id -> input block."""
        return {block["block_id"]: block for block in self.blocks if block["type"] == "input"}


def elements_in(value: Any) -> list[Json]:
    """Every interactive element, each with the `block_id` of the block that holds it."""
    found: list[Json] = []
    for block in value:
        candidates = [
            *(block.get("elements") or []),
            *(block.get("actions") or []),
            block.get("accessory"),
            block.get("element"),
        ]
        found.extend(
            {**element, "block_id": block.get("block_id")}
            for element in candidates
            if isinstance(element, dict) and "action_id" in element
        )
        found.extend(elements_in(block.get("child_blocks") or []))
    return found


def with_ids(blocks: list[Json]) -> list[Json]:
    """Copy blocks; generated block_id and action_id fill the gaps."""
    return [_block_with_ids(block) for block in blocks]


def _block_with_ids(block: Json) -> Json:
    filled = {**block, "block_id": block.get("block_id") or _random_id()}
    for key in ("accessory", "element"):
        if isinstance(block.get(key), dict):
            filled[key] = _element_with_id(block[key])
    for key in ("elements", "actions"):
        if block["type"] != "rich_text" and isinstance(block.get(key), list):
            filled[key] = [_element_with_id(element) for element in block[key]]
    if isinstance(block.get("child_blocks"), list):
        filled["child_blocks"] = with_ids(block["child_blocks"])
    return filled


def _element_with_id(element: Any) -> Any:
    passive = ("image", "plain_text", "mrkdwn")
    if not isinstance(element, dict) or element.get("type") in passive:
        return element
    return {**element, "action_id": element.get("action_id") or _random_id()}


def _random_id() -> str:
    return secrets.token_urlsafe(4)[:5]
