"""
The audit log of Vault and OpenBao, as its device `file` writes it: one JSON object a line.

Example: a response to `read kv/data/payments/db` by AppRole becomes a read of
vault://main/kv/payments/db, version 3, with the field names and their keyed digests
("hmac-sha256:…", under the salt of the device). Counted are reads of KV and of database engines
that succeeded; the bot's own are among them. A device with `log_raw` writes values: that is said.

A use is a request made with a token (by the keyed digest of its accessor, or the accessor where
the device leaves it as it is), or a login with a secret-id (by that of the secret-id). To look one
up is no use of it. The mark that Locksmith gives to the secret-ids that it makes is told as well.
Source: https://openbao.org/docs/audit/ and internal/audit/format.go of openbao/openbao.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

import orjson

from graph import refs
from graph.audit_log import AuditLog, NotUnderstoodError
from graph.connections import Connections
from graph.fields import mapping, number, text
from graph.read_event import ReadEvent
from graph.refs import Ref
from graph.use_event import UseEvent

_KEYED = "hmac-sha256:"
_DISCLOSING = {"kv", "generic", "database"}


class VaultAuditLog(AuditLog):
    """Reads `vault.NAME.audit_log`."""

    name: ClassVar[str] = "vault"
    marks: ClassVar[re.Pattern[bytes]] = re.compile(
        rb'hmac-sha256:[0-9a-f]{64}|(?<="accessor":")[^"]+|(?<="locksmith":")[^"]+'
    )

    def files(self, connections: Connections) -> dict[str, str]:
        return {
            store: connections.vault_settings(store).audit_log for store in connections.vault_names
        }

    def events(self, line: bytes, endpoint: str) -> Iterator[ReadEvent]:
        entry = _entry(line)
        request = mapping(entry, "request")
        if entry.get("type") != "response" or entry.get("error"):
            return
        if request.get("operation") != "read" or request.get("mount_type") not in _DISCLOSING:
            return
        found = _read(request, mapping(entry, "response", "data"), endpoint)
        if found is None:
            return
        secret, version, served = found
        auth = mapping(entry, "auth")
        yield ReadEvent(
            request=text(request, "id"),
            at=_moment(entry),
            secret=secret,
            verb="read",
            who=_who(auth),
            address=text(request, "remote_address"),
            version=version,
            served=served,
        )

    def uses(self, line: bytes, endpoint: str) -> Iterator[UseEvent]:
        entry = _entry(line)
        auth, request = mapping(entry, "auth"), mapping(entry, "request")
        if entry.get("type") != "response":
            return
        named = {text(auth, "accessor"), text(auth, "metadata", "locksmith")}
        if _logged_in(entry):
            named = {text(request, "data", "secret_id"), text(auth, "metadata", "locksmith")}
        for mark in sorted(named - {""}):
            yield UseEvent(
                request=text(request, "id"),
                at=_moment(entry),
                mark=mark,
                who=_user(auth),
                what=f"{text(request, 'operation')} {text(request, 'path')}",
                address=text(request, "remote_address"),
            )

    def wake(self, endpoint: str, connections: Connections) -> bool:
        connections.ask_vault(
            endpoint, "get", "auth/token/lookup-self", doing=f"make a line in the log of {endpoint}"
        )
        return True

    def warning(self, line: bytes) -> str:
        data = mapping(_entry(line), "response", "data", "data")
        if any(
            isinstance(each, str) and each and not each.startswith(_KEYED) for each in data.values()
        ):
            return "The log holds values in clear (`log_raw`, or keys that are exempt): it leaks."
        return ""


def _logged_in(entry: dict[str, Any]) -> bool:
    """Whether the line tells of a login that gave a token: nothing was asked with that one yet."""
    path = text(entry, "request", "path")
    return path.startswith("auth/") and bool(mapping(entry, "response", "auth"))


def _user(auth: Any) -> str:
    """Name who used it; the entity tells two of one role apart."""
    entity = text(auth, "entity_id")
    return f"{_who(auth)}, entity {entity}" if entity else _who(auth)


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise NotUnderstoodError from None
    if not isinstance(entry, dict) or not isinstance(entry.get("request"), dict):
        raise NotUnderstoodError
    return entry


def _moment(entry: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(text(entry, "time"))
    except ValueError:
        raise NotUnderstoodError from None
    if moment.tzinfo is None:
        raise NotUnderstoodError
    return moment


def _read(
    request: Any, data: Any, store: str
) -> tuple[Ref, int | None, tuple[tuple[str, str], ...]] | None:
    """Name what was read; None where the answer holds no secret (metadata, configuration)."""
    path, mount = text(request, "path"), text(request, "mount_point")
    below = path.removeprefix(mount)
    if not mount or below == path:
        return None
    if request.get("mount_type") == "database":
        role = below.startswith(("creds/", "static-creds/"))
        return (refs.vault(store, mount, below), None, _served(data)) if role else None
    metadata = mapping(data, "metadata")
    if "version" in metadata:  # KV version 2: MOUNT/data/PATH
        if not below.startswith("data/"):
            return None
        secret = refs.vault(store, mount, below.removeprefix("data/"))
        return secret, number(metadata, "version"), _served(mapping(data, "data"))
    if below.startswith(("data/", "metadata/", "subkeys/")) or below == "config":
        return None
    return refs.vault(store, mount, below), None, _served(data)


def _served(data: Any) -> tuple[tuple[str, str], ...]:
    return tuple(
        (field, value)
        for field, value in data.items()
        if isinstance(value, str) and value.startswith(_KEYED)
    )


def _who(auth: Any) -> str:
    """Say it as its operator knows it: `approle ci`, `kubernetes payments/api`, `root`."""
    name = text(auth, "display_name") or text(auth, "entity_id") or "unknown"
    said = mapping(auth, "metadata")
    account = text(said, "service_account_name")
    if account:
        return f"{name} ({text(said, 'service_account_namespace')}/{account})"
    role = text(said, "role_name") or text(said, "role") or text(said, "username")
    if role and role not in name:
        return f"{name} ({role})"
    policies = [one for one in auth.get("policies") or () if one != "default"]
    return (
        name if name != "token" or not policies else f"token with {', '.join(map(str, policies))}"
    )
