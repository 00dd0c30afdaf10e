"""
Checks one Vault or OpenBao: reachable, unsealed, logged in, and which capabilities are there.

Source of the capability question: /sys/capabilities-self of the HTTP API.
"""

from collections.abc import Iterator

from bot.checks.finding import Checked, Outcome, failed
from graph.connections import Connections, vault_errors
from graph.errors import LocksmithError

# (path, capabilities of which all are needed, what for, needed without acting)
_QUESTIONS: tuple[tuple[str, tuple[str, ...], str, bool], ...] = (
    ("sys/mounts", ("read",), "find the KV mounts", False),
    ("sys/policies/acl", ("list",), "who can read which path", False),
    ("auth/approle/role", ("list",), "which roles hold which policies", False),
    ("auth/token/lookup", ("update",), "recognise a leaked token", False),
    ("auth/token/lookup-accessor", ("update",), "prove a token dead", False),
    ("auth/token/revoke-accessor", ("update",), "revoke a leaked token", False),
    ("{mount}/metadata/any", ("read", "list"), "names, versions, owners", True),
    ("{mount}/data/any", ("read",), "fingerprint the values", False),
    ("{mount}/data/any", ("patch",), "rotate", False),
    ("{mount}/destroy/any", ("update",), "destroy a leaked version", False),
)


def check_vault(name: str, connections: Connections) -> Iterator[Checked]:
    """Look at one configured store; every trouble is a finding, none is raised."""
    connection = f"vault {name}"
    try:
        client = connections.vault(name)
        with vault_errors(f"look up the bot's own token in {name}"):
            token = client.auth.token.lookup_self()["data"]
        policies = ", ".join(token.get("policies") or ())
        life = int(token.get("ttl") or 0)
        lasts = f"{life // 3600} h left" if life else "no expiry"
        yield Checked(connection, "log in", Outcome.OK, f"policies {policies}; {lasts}")
    except LocksmithError as error:
        yield failed(connection, "log in", error)
        return
    mounts = connections.vault_settings(name).mounts
    if not mounts:
        try:
            with vault_errors(f"list the mounts of {name}"):
                listed = client.sys.list_mounted_secrets_engines()["data"]
            mounts = tuple(
                path.strip("/")
                for path, mount in listed.items()
                if mount.get("type") == "kv" and (mount.get("options") or {}).get("version") == "2"
            )
            yield Checked(connection, "KV mounts", Outcome.OK, ", ".join(mounts) or "none")
        except LocksmithError as error:
            yield failed(connection, "KV mounts", error)
    try:
        yield from _capabilities(connection, client, mounts)
    except LocksmithError as error:
        yield failed(connection, "capabilities", error)


def _capabilities(
    connection: str,
    client: object,
    mounts: tuple[str, ...],
) -> Iterator[Checked]:
    for template, needed, purpose, essential in _QUESTIONS:
        paths = [template.format(mount=m) for m in mounts] if "{mount}" in template else [template]
        for path in paths:
            with vault_errors(f"ask for the capabilities on {path}"):
                answer = client.sys.get_capabilities([path])  # type: ignore[attr-defined]
            granted = set((answer.get("data") or answer).get(path) or ())
            missing = [c for c in needed if c not in granted and "root" not in granted]
            shown = path.replace("/any", "/*")
            if not missing:
                yield Checked(connection, purpose, Outcome.OK, shown)
                continue
            wanted = ", ".join(f'"{capability}"' for capability in needed)
            yield Checked(
                connection,
                purpose,
                Outcome.MISSING if essential else Outcome.OPTIONAL,
                f"no {' and '.join(missing)} on {shown}",
                f'Grant: path "{shown}" {{ capabilities = [{wanted}] }}',
            )
