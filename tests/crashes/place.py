"""
What each swept playbook works on, and what has to be true of it when the run has ended.

A place is made anew for each point, on names of its own. `wrongs` asks the servers themselves,
not Locksmith: "lost" is a value that nobody has any more or that was never replaced, "doubled"
what happened twice.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import hvac

from graph.model import Observation
from tests.crashes.town import Town
from tests.responders.steps.databases import Vault

SECRET = "shop/leaked"


@dataclass
class Place:
    """One playbook's surroundings; `issuer` is the worker's own (address, admin token)."""

    playbook: ClassVar[str]
    order: ClassVar[str]
    needs_postgres: ClassVar[bool] = False
    needs_cluster: ClassVar[bool] = False  # a real one: the embedded one does not have all
    detector: ClassVar[str] = ""  # what a scanner would call the value; "": nobody knows its type
    town: Town
    issuer: tuple[str, str]
    key: str = field(default_factory=lambda: f"p{secrets.token_hex(4)}")
    value: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    named: str = ""  # the ref that is reported where there is no value to report
    vault: Vault = field(init=False)

    @classmethod
    def is_possible(cls, town: Town) -> bool:
        """Whether what the place needs runs here."""
        return (bool(town.postgres) or not cls.needs_postgres) and (
            town.has_real_cluster or not cls.needs_cluster
        )

    def set_up(self) -> None:
        root = hvac.Client(url=self.town.openbao, token=self.town.root_token)
        root.sys.enable_secrets_engine("kv", path=self.key, options={"version": "2"})
        self.vault = Vault(self.town.openbao, root, self.key)
        wait_for(self._takes_versions, "the new mount is still upgraded to versions")
        self.prepare()

    def _takes_versions(self) -> bool:
        try:
            return bool(self.vault.root.secrets.kv.v2.read_configuration(self.key))
        except hvac.exceptions.InvalidRequest:
            return False

    def prepare(self) -> None:
        """Put there what leaks; `self.value` becomes the leaked value."""

    def config(self) -> dict[str, Any]:
        """Give the sections of the configuration that this place adds."""
        return {}

    def seen(self) -> Observation | None:
        """Give what no collector of this place can see."""
        return None

    def by_hand(self, step_id: str) -> None:
        """Do what a manual step asks a person for."""

    def answer(self, sentence: str) -> str:
        """Do what a step that stopped asks for; what is returned confirms it, "" has it retried."""
        return ""

    def wrongs(self) -> Iterator[str]:
        """Name what is lost and what was done twice."""
        yield from ()

    def keep(self, fields: dict[str, str], **metadata: str) -> None:
        self.vault.put(SECRET, **fields)
        self.vault.call("post", f"{self.key}/metadata/{SECRET}", custom_metadata=metadata)

    def versions(self) -> dict[str, Any]:
        found = self.vault.call("get", f"{self.key}/metadata/{SECRET}")
        versions: dict[str, Any] = found["data"]["versions"]
        return versions

    def replaced_once(self) -> Iterator[str]:
        """Two versions, the leaked one destroyed, its value in no other."""
        versions = self.versions()
        if len(versions) > 2:
            yield f"doubled: {len(versions)} versions"
        if len(versions) < 2 or self.value in self.vault.read(SECRET).values():
            yield "lost: the leaked value is still the current one"
        if not versions["1"]["destroyed"]:
            yield "lost: the leaked version is still readable"

    def calls(self, operation: str, part: str) -> int:
        """Count the requests that OpenBao's own audit log says it answered without an error."""
        count = 0
        with Path(self.town.audit_log).open(encoding="utf-8") as log:
            for line in log:
                if part not in line or '"type":"response"' not in line:
                    continue
                entry = json.loads(line)
                asked = entry["request"]
                done = entry["type"] == "response" and not entry.get("error")
                count += done and asked["operation"] == operation and part in asked["path"]
        return count


def wait_for(look: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 60
    while not look():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)  # between two looks at the condition
