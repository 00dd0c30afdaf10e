"""
Turn the KV mounts of one Vault or OpenBao into nodes, edges and fingerprints.

Used by `collectors/vault.py` alone; apart from it so that each file is read at one sitting. How the
mount answers is in `graph/vault/kv.py`; who may read the secrets, in `graph/vault/access.py`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from graph import refs
from graph.connections import Connections
from graph.errors import AccessDeniedError, LocksmithError, NotFoundError
from graph.fingerprints import Fingerprinter
from graph.gathered import Gathered
from graph.model import AttributeValue, EdgeKind, NodeKind, StoredFingerprint
from graph.owners import owners_among
from graph.refs import Ref
from graph.secret_value import SecretValue
from graph.vault.access import VaultAccess
from graph.vault.kv import KvMetadata, KvMount, KvMountV1
from graph.vault_api import stanza

# What the owner of a secret says for its playbook: playbook=NAME, playbook_role=…
_PLAYBOOK = re.compile(r"playbook(_[a-z_]+)?")
_SHOWN = 3  # refused paths that a gap names; the rest is counted


@dataclass(frozen=True, slots=True)
class KvSecret:
    """A secret and the API path that a policy must allow to read its value."""

    ref: Ref
    data_path: str


def kv_mounts(access: VaultAccess, configured: tuple[str, ...]) -> dict[str, str]:
    """
    Name the KV mounts to read with their version ("1", "2"), without slashes at their ends.

    Raises:
        AccessDeniedError, UnavailableError: the store cannot be asked at all.
    """
    versions = {
        path.strip("/"): str((mount.get("options") or {}).get("version", "1"))
        for path, mount in access.mounted("sys/mounts", "secret").items()
        if mount.get("type") in {"kv", "generic"}
    }
    wanted = [mount.strip("/") for mount in configured] or sorted(versions)
    if not wanted:
        access.gathered.miss(
            f"{access.store}/sys/mounts",
            f"Vault {access.store} shows the bot no KV mount.",
            do_now=f"Grant: {stanza('MOUNT/metadata/*', 'read', 'list')}, for each mount.",
        )
    for mount in wanted:
        if mount not in versions:
            access.gathered.miss(
                f"{access.store}/{mount}",
                f"The mount {mount} of vault {access.store} was not found.",
                do_now="Correct `mounts`, or allow the bot to read something in it.",
            )
    return {mount: versions[mount] for mount in wanted if mount in versions}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a look inside one secret gave, and the metadata that it was true for; no value."""

    metadata: KvMetadata
    keys: tuple[str, ...] | None
    fingerprints: tuple[StoredFingerprint, ...]


Remembered = dict[str, Contents]  # by path


class SecretReader:
    """
    Reads the secrets of one mount into `gathered`.

    Without a `fingerprinter` no value is read: the names of fields come from `subkeys`. With what
    an earlier look `remembered` of the same mount, contents are read only where the metadata
    changed: a poll of a large mount then costs its metadata. What is true now is put in its place.
    """

    def __init__(
        self,
        store: str,
        gathered: Gathered,
        *,
        connections: Connections,
        fingerprinter: Fingerprinter | None,
        now: datetime,
        remembered: Remembered | None = None,
    ) -> None:
        self._before = {} if remembered is None else dict(remembered)
        self._remembered = {} if remembered is None else remembered
        self._remembered.clear()
        self._store = store
        self._gathered = gathered
        self._connections = connections
        self._fingerprinter = fingerprinter
        self._now = now

    def read(self, mount: str, *, version: str, environment: str) -> list[KvSecret]:
        """
        Gather every secret; what was refused inside the mount becomes a gap.

        Raises:
            AccessDeniedError, UnavailableError: the mount could not be listed at all.
        """
        kind = KvMount if version == "2" else KvMountV1
        kv = kind(self._store, mount, client=lambda: self._connections.vault(self._store))
        home = refs.vault_store(self._store)
        part = "data" if self._fingerprinter else "subkeys"
        below = {"list": f"{mount}/metadata/*", "read": f"{mount}/{part}/*"}
        if version == "1":
            below = dict.fromkeys(below, f"{mount}/*")
        listing = _Refusals("Listing", stanza(below["list"], "read", "list"))
        metadata = _Refusals("The metadata", stanza(below["list"], "read", "list"))
        contents = _Refusals("Reading", stanza(below["read"], "read"))
        self._gathered.define(home, NodeKind.STORE, environment=environment)
        secrets: list[KvSecret] = []
        for path in kv.paths(listing.add):
            secret = KvSecret(refs.vault(self._store, mount, path), kv.data_path(path))
            secrets.append(secret)
            self._gathered.define(secret.ref, NodeKind.SECRET, type=kv.kind)
            self._gathered.connect(secret.ref, home, EdgeKind.STORED_IN)
            try:
                known = kv.metadata(path, now=self._now)
                self._describe(secret.ref, known, environment=environment)
            except AccessDeniedError as error:
                metadata.add(path, error)
                continue
            except NotFoundError:  # removed since it was listed
                continue
            try:
                self._look_inside(kv, path, secret.ref, known)
            except AccessDeniedError as error:
                contents.add(path, error)
        for refusals in (listing, metadata, contents):
            refusals.tell(self._gathered, f"{self._store}/{mount}")
        return secrets

    def _describe(self, secret: Ref, known: KvMetadata, *, environment: str) -> None:
        custom = known.custom
        numbered = known.current_version > 0  # KV version 1 counts nothing
        said: dict[str, AttributeValue] = {
            "version": known.current_version if numbered else "",
            "versions": tuple(str(version) for version in known.live) if numbered else "",
            "written": known.written if numbered else "",
            "updated": known.updated,
            "issuer": custom.get("issuer", ""),
            "environment": custom.get("environment", "") or environment,
        }
        said |= {name: text for name, text in custom.items() if _PLAYBOOK.fullmatch(name)}
        given = {name: value for name, value in said.items() if value != ""}
        self._gathered.define(secret, NodeKind.SECRET, **given)
        self._gathered.own(secret, owners_among(custom, "custom metadata"), said_by="vault")

    def _look_inside(self, kv: KvMount, path: str, secret: Ref, known: KvMetadata) -> None:
        contents = self._before.get(path)
        changeable = not known.updated  # nothing tells whether it is still what it was
        if contents is None or contents.metadata != known or changeable:
            contents = self._contents(kv, path, secret, known)
        self._remembered[path] = contents
        if contents.keys:  # version 1 does not tell them without its values
            self._gathered.note(secret, keys=contents.keys)
        self._gathered.fingerprints += contents.fingerprints

    def _contents(self, kv: KvMount, path: str, secret: Ref, known: KvMetadata) -> Contents:
        if self._fingerprinter is None:
            keys = kv.fields(path) if known.current_version in known.live else None
            return Contents(known, keys, ())
        keys = None
        fingerprints: list[StoredFingerprint] = []
        for version in known.live:
            try:
                values = kv.values(path, version)
            except NotFoundError:  # destroyed since its metadata was read
                continue
            current = version == known.current_version
            if current:
                keys = tuple(values)
            fingerprints += self._fingerprints(secret, values, version, current=current)
        return Contents(known, keys, tuple(fingerprints))

    def _fingerprints(
        self, secret: Ref, values: Mapping[str, SecretValue], version: int, *, current: bool
    ) -> Iterator[StoredFingerprint]:
        if self._fingerprinter is None:
            return
        found = self._fingerprinter.of_stored_all(values.values())
        for key, prints in zip(values, found, strict=True):
            for fingerprint in prints:
                yield StoredFingerprint(fingerprint, secret, key, version or None, current)


@dataclass(slots=True)
class _Refusals:
    """Refusals of one kind in one mount, told as one gap."""

    what: str
    rule: str
    paths: list[str] = field(default_factory=list)
    first: str = ""

    def add(self, path: str, error: LocksmithError) -> None:
        self.first = self.first or error.happened
        self.paths.append(path)

    def tell(self, gathered: Gathered, scope: str) -> None:
        if not self.paths:
            return
        more = len(self.paths) - _SHOWN
        named = ", ".join(self.paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        one = len(self.paths) == 1
        reason = self.first if one else f"{self.what} of {named} in {scope} was refused."
        gathered.miss(scope, reason, do_now=f"Grant: {self.rule}.", complete=False)
