"""
Vault and OpenBao: the secrets of KV (both versions), which policies and auth roles can read them.

Example: `vault/main` is the vault `main` of the settings. Each mount becomes a source below it
(`vault/main/kv`), policies and roles another (`vault/main/sys`). Of a secret it keeps the names of
fields, the versions and the custom metadata `owner`, `issuer` and `environment`; values are read
only where fingerprints are wanted, in memory, one version at a time.
Source: https://openbao.org/api-docs/secret/kv/kv-v2/ and .../system/policies/, .../auth/approle/.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

from graph.collector import CollectContext, Collector, Permission
from graph.errors import AccessDeniedError
from graph.gathered import Gathered
from graph.model import Observation
from graph.vault.access import VaultAccess
from graph.vault.identities import Identities
from graph.vault.logins import clusters_of, connect_accounts
from graph.vault.mounts import KvSecret, Remembered, SecretReader, kv_mounts
from graph.vault_api import stanza


class VaultCollector(Collector):
    """Reads every configured Vault or OpenBao."""

    name: ClassVar[str] = "vault"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("vault", stanza("sys/mounts", "read"), "To find the KV mounts."),
        Permission(
            "vault",
            stanza("MOUNT/metadata/*", "read", "list"),
            "To know each secret, its versions and its owner.",
        ),
        Permission(
            "vault",
            stanza("MOUNT/data/*", "read"),
            "To recognise a leaked value (`fingerprint: true`).",
        ),
        Permission(
            "vault",
            stanza("MOUNT/subkeys/*", "read"),
            "To know the names of fields (`fingerprint: false`).",
        ),
        Permission(
            "vault",
            stanza("MOUNT/*", "read", "list"),
            "To know secrets of KV version 1, and to recognise a leaked value in them.",
        ),
        Permission("vault", stanza("sys/policies/acl", "list"), "To tell who can read a secret."),
        Permission("vault", stanza("sys/policies/acl/*", "read"), "To tell who can read a secret."),
        Permission("vault", stanza("sys/auth", "read"), "To find the auth methods with roles."),
        Permission("vault", stanza("auth/+/role", "list"), "To tell which roles have a policy."),
        Permission(
            "vault",
            stanza("auth/+/role/+", "read", "list"),  # "+" takes the end of a list for a name
            "To tell which roles have a policy.",
        ),
        *(
            Permission(
                "vault", stanza(f"auth/+/{part}", "list"), "To tell which users have a policy."
            )
            for part in ("users", "groups", "certs")
        ),
        *(
            Permission(
                "vault",
                stanza(f"auth/+/{part}/+", "read", "list"),
                "To tell which users have a policy.",
            )
            for part in ("users", "groups", "certs")
        ),
        Permission(
            "vault",
            stanza("auth/+/config", "read"),
            "To tell whose accounts log in at a mount of the method kubernetes.",
        ),
        *(
            Permission("vault", stanza(f"identity/{sort}/id", "list"), "To know its policies.")
            for sort in ("entity", "group")
        ),
        *(
            Permission(
                "vault", stanza(f"identity/{sort}/id/+", "read", "list"), "To know its policies."
            )
            for sort in ("entity", "group")
        ),
    )

    def __init__(self) -> None:
        # By source and mount, for each way of fingerprinting: what a next look need not read again.
        self._remembered: dict[tuple[str, str, object], Remembered] = {}

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return tuple(f"{self.name}/{store}" for store in context.connections.vault_names)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        store = source.removeprefix(f"{self.name}/")
        settings = context.connections.vault_settings(store)
        access = VaultAccess(source, store, context.connections)
        secrets: list[KvSecret] = []
        refused: list[tuple[str, AccessDeniedError]] = []
        mounts = kv_mounts(access, settings.mounts)
        for mount, version in mounts.items():
            gathered = Gathered(f"{source}/{mount}", "")
            fingerprinter = context.fingerprinter if settings.fingerprint else None
            reader = SecretReader(
                store,
                gathered,
                connections=context.connections,
                fingerprinter=fingerprinter,
                remembered=self._remembered.setdefault((source, mount, fingerprinter), {}),
                now=datetime.now(UTC),  # which versions are live is a fact of this very look
            )
            try:
                secrets += reader.read(mount, version=version, environment=settings.environment)
            except AccessDeniedError as error:
                refused.append((mount, error))
                continue
            access.gathered.complete = access.gathered.complete and gathered.complete
            yield gathered.observation()
        if refused and len(refused) == len(mounts):
            raise refused[0][1]
        for mount, refusal in refused:
            gathered = Gathered(f"{source}/{mount}", "")
            listed = f"{mount}/metadata/*" if mounts[mount] == "2" else f"{mount}/*"
            rule = stanza(listed, "read", "list")
            gathered.miss(
                f"{store}/{mount}", refusal.happened, do_now=f"Grant: {rule}.", complete=False
            )
            access.gathered.complete = False
            yield gathered.observation()
        access.read(secrets)
        clusters = clusters_of(access, context.connections)
        connect_accounts(access, clusters)
        Identities(access, clusters).read()
        yield access.gathered.observation()
