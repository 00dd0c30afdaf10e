"""
The demo company, built into running servers: secrets, workloads, people, and a token that leaks.

`running_world` starts everything and is what the demo and the tests use; `build_world` fills
servers that run already, and is idempotent: it creates what is missing and re-creates what
differs, on the embedded cluster and on a real one. What the world contains is data:
`store.yaml`, `manifests/*.yaml`, `people.py`.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.issuer import Paygate
from bot.sandbox.objects import ClusterObjects, Manifest
from bot.sandbox.openbao import OpenBaoServer
from bot.sandbox.people import CHANNELS, PEOPLE, TEAMS
from bot.sandbox.rollouts import Rollouts
from bot.sandbox.store import StoreContents
from bot.sandbox.sync_operator import GROUP, SyncOperator, preferred_version, synced_version
from graph import yaml_text
from graph.errors import RefusedError, UnavailableError

__all__ = [
    "CHANNELS",
    "CLUSTER",
    "LEAKED_FIELD",
    "LEAKED_PATH",
    "MOUNT",
    "NAMESPACES",
    "OURS",
    "PEOPLE",
    "STORE",
    "TEAMS",
    "CiToken",
    "World",
    "build_world",
    "ensure_custom_resources",
    "manifests",
    "remove_world",
    "running_world",
]

CLUSTER = "demo"  # the names that the demo's config gives to its cluster and its store
STORE = "main"
MOUNT = "kv"
NAMESPACES = ("payments", "shop", "reporting", "platform")
LEAKED_PATH = "payments/gateway"
LEAKED_FIELD = "token"
OURS = {"app.kubernetes.io/managed-by": "locksmith-demo"}

_CRDS = "crds.yaml"
_CUSTOM_RESOURCES = ("ClusterExternalSecret", "ClusterSecretStore", "ExternalSecret", "SecretStore")


@dataclass(frozen=True, slots=True)
class CiToken:
    """An OpenBao token of the CI system: policy `ci`, 24 hours to live."""

    token: str = field(repr=False)
    accessor: str


@dataclass(frozen=True, slots=True)
class World:
    """
    The built company and the ways into it.

    `bot_token` is periodic and has the policy `locksmith`; `bot_role_id` with `bot_secret_id`
    gives the same by AppRole. `leaked_token` is what the reporter pastes: the value of
    kv/payments/gateway#token when the world was built; `leaked_token_id` is its id at Paygate.
    """

    openbao: OpenBaoServer
    issuer: Paygate
    kubeconfig: Path
    bot_token: str = field(repr=False)
    bot_role_id: str
    bot_secret_id: str = field(repr=False)
    leaked_token: str = field(repr=False)
    leaked_token_id: str

    def issue_ci_token(self) -> CiToken:
        """Issue the token of the second story; each call issues another."""
        contents = StoreContents(self.openbao.address, self.openbao.root_token)
        return CiToken(*contents.issue_token("ci", display_name="ci"))

    def read_secret(self, path: str) -> dict[str, str]:
        """Read the current fields of a secret as root: for checks from the outside."""
        contents = StoreContents(self.openbao.address, self.openbao.root_token)
        return contents.read(path) or {}

    def wait_until_settled(self, *, seconds: float = 60.0) -> None:
        """
        Wait until every ExternalSecret is synced and every workload has its pods.

        Raises:
            UnavailableError: names what is not there yet.
        """
        objects = ClusterObjects(self.kubeconfig)
        deadline = time.monotonic() + seconds
        try:
            wanted = [item for item in manifests(objects) if item["kind"] in _SETTLED]
            # What was missing is looked at again and again, and once more everything at the end.
            missing = _unsettled(objects, wanted)
            while missing or (missing := _unsettled(objects, wanted)):
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"The demo's world has not settled after {seconds} s.",
                        means=f"Missing: {', '.join(map(_spoken, missing))}.",
                    )
                time.sleep(0.05)
                missing = _unsettled(objects, missing)
        finally:
            objects.close()

    def remove(self) -> None:
        """Delete what was made in the cluster, and wait until it is gone."""
        remove_world(self.kubeconfig)


def manifests(objects: ClusterObjects | None = None) -> list[Manifest]:
    """
    Give all objects of the company, in the order to create them.

    With `objects`, in the API versions that its cluster serves; without, in today's.
    """
    folder = files("bot.sandbox") / "manifests"
    found: list[Manifest] = []
    for name in NAMESPACES:
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        found.extend(yaml_text.load_all(text))
    for item in found:
        if "namespace" not in item["metadata"]:
            item["metadata"]["labels"] = OURS
    if objects is not None:
        cron = "batch/v1" if objects.serves("batch/v1", "CronJob") else "batch/v1beta1"
        custom = f"{GROUP}/{preferred_version(objects)}"
        for item in found:
            if item["kind"] == "CronJob":
                item["apiVersion"] = cron
            elif item["apiVersion"].startswith(GROUP):
                item["apiVersion"] = custom
    return found


def build_world(openbao: OpenBaoServer, kubeconfig: Path, issuer: Paygate) -> World:
    """
    Fill the servers; a second call changes nothing but the bot's login.

    Secrets appear in the cluster, and pods run, when a sync operator and controllers do their
    part: see `World.wait_until_settled`.

    Raises:
        RefusedError: the cluster has a namespace or cluster-wide object of the same name that is
            not the demo's.
        ClusterError: the cluster refused an object.
    """
    contents = StoreContents(openbao.address, openbao.root_token)
    contents.fill(issuer)
    store_token, _ = contents.issue_token(
        "external-secrets", display_name="external-secrets", periodic=True
    )
    objects = ClusterObjects(kubeconfig)
    try:
        _build_cluster(objects, openbao.address, store_token)
    finally:
        objects.close()
    bot_token, _ = contents.issue_token("locksmith", display_name="locksmith", periodic=True)
    role_id, secret_id = contents.bot_login()
    leaked = (contents.read(LEAKED_PATH) or {})[LEAKED_FIELD]
    return World(
        openbao=openbao,
        issuer=issuer,
        kubeconfig=kubeconfig,
        bot_token=bot_token,
        bot_role_id=role_id,
        bot_secret_id=secret_id,
        leaked_token=leaked,
        leaked_token_id=issuer.id_of(leaked) or "",
    )


@contextmanager
def running_world(
    kubeconfig: Path | None = None, *, folder: Path, keep: bool = False
) -> Iterator[World]:
    """
    Start every server of the company, build it, wait until it has settled; remove it at the end.

    Without a `kubeconfig` the cluster is embedded, controllers included. `folder` keeps the
    servers' files: logs, the audit log, the embedded cluster's kubeconfig. With `keep`, a real
    cluster keeps its objects, so that the next build is quick; see `remove_world`.
    """
    with ExitStack() as servers:
        openbao = servers.enter_context(OpenBaoServer(folder))
        issuer = servers.enter_context(Paygate())
        embedded: EmbeddedCluster | None = None
        if kubeconfig is None:
            embedded = servers.enter_context(EmbeddedCluster(folder))
            servers.enter_context(Rollouts(embedded))
            kubeconfig = embedded.kubeconfig
        servers.enter_context(SyncOperator(kubeconfig, embedded))
        world = build_world(openbao, kubeconfig, issuer)
        if embedded is None and not keep:
            servers.callback(world.remove)
        world.wait_until_settled()
        yield world


def remove_world(kubeconfig: Path, *, seconds: float = 90.0) -> None:
    """
    Delete the world from a cluster, and wait until it is gone; nothing that is not the demo's.

    Raises:
        RefusedError: a namespace or cluster-wide object of the same name is not the demo's.
        UnavailableError: something is still there after `seconds`.
    """
    objects = ClusterObjects(kubeconfig)
    try:
        _remove(objects, seconds=seconds)
    finally:
        objects.close()


def _build_cluster(objects: ClusterObjects, store_address: str, store_token: str) -> None:
    ensure_custom_resources(objects)
    items = manifests(objects)
    _refuse_foreign(objects, items)
    store_secret: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "openbao-token", "namespace": "platform"},
        "stringData": {"token": store_token},
    }
    for item in items:
        if item["kind"] == "ClusterSecretStore":
            item["spec"]["provider"]["vault"]["server"] = store_address
    for item in items:
        if item["kind"] == "Namespace":
            objects.apply(item)
    objects.delete(store_secret)
    objects.create(store_secret)
    for item in items:
        if not objects.apply(item) and item["kind"] == "ExternalSecret":
            # It is there from an earlier build, whose store held other values: copy again.
            stamp = datetime.now(UTC).isoformat()
            objects.patch(item, {"metadata": {"annotations": {"force-sync": stamp}}})


def _refuse_foreign(objects: ClusterObjects, items: Sequence[Manifest]) -> None:
    """Refuse to touch what somebody else made: the demo re-creates and removes by name."""
    foreign = [
        f"{item['kind']} {item['metadata']['name']}"
        for item in items
        if "namespace" not in item["metadata"] and not _is_ours(objects, item, if_missing=True)
    ]
    if foreign:
        raise RefusedError(
            f"The cluster already has {', '.join(foreign)}, not made by this demo.",
            means="The demo would change and later delete it.",
            do_now="Give the demo a test cluster of its own.",
        )


def _is_ours(objects: ClusterObjects, item: Manifest, *, if_missing: bool) -> bool:
    found = objects.get(item["apiVersion"], item["kind"], item["metadata"]["name"])
    if found is None:
        return if_missing
    return bool(OURS.items() <= (found["metadata"].get("labels") or {}).items())


def ensure_custom_resources(objects: ClusterObjects) -> None:
    """Install the kinds of External Secrets where the cluster does not serve them."""
    version = preferred_version(objects)
    if version and objects.serves(f"{GROUP}/{version}", "ExternalSecret"):
        return
    for definition in _definitions():
        objects.apply(definition)
    deadline = time.monotonic() + 30
    while not all(objects.serves(f"{GROUP}/v1", kind) for kind in _CUSTOM_RESOURCES):
        if time.monotonic() > deadline:
            raise UnavailableError(f"The cluster does not serve {GROUP} after 30 s.")
        time.sleep(0.1)


def _definitions() -> Sequence[Manifest]:
    text = (files("bot.sandbox") / "manifests" / _CRDS).read_text(encoding="utf-8")
    found: list[Manifest] = list(yaml_text.load_all(text))
    for definition in found:
        definition["metadata"]["labels"] = OURS
    return found


def _unsettled(objects: ClusterObjects, wanted: Sequence[Manifest]) -> list[Manifest]:
    missing: list[Manifest] = []
    for item in wanted:
        kind, metadata = item["kind"], item["metadata"]
        found = objects.get(
            item["apiVersion"], kind, metadata["name"], namespace=metadata["namespace"]
        )
        if found is None or not _SETTLED[kind](found):
            missing.append(item)
    return missing


def _spoken(item: Manifest) -> str:
    return f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"


def _is_synced(found: Manifest) -> bool:
    status = found.get("status", {})
    ready = any(
        item["type"] == "Ready" and item["status"] == "True"
        for item in status.get("conditions", [])
    )
    return ready and status.get("syncedResourceVersion") == synced_version(found)


def _has_replicas(found: Manifest) -> bool:
    status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
    seen = status.get("observedGeneration") == found["metadata"].get("generation")
    counts = (status.get("readyReplicas", 0), status.get("updatedReplicas", 0))
    return bool(seen and counts == (wanted, wanted))


def _runs_everywhere(found: Manifest) -> bool:
    status = found.get("status", {})
    desired = status.get("desiredNumberScheduled", 0)
    return bool(desired and status.get("numberReady") == desired)


def _is_running(found: Manifest) -> bool:
    return bool(found.get("status", {}).get("phase") == "Running")


_SETTLED = {
    "ExternalSecret": _is_synced,
    "Deployment": _has_replicas,
    "StatefulSet": _has_replicas,
    "DaemonSet": _runs_everywhere,
    "Pod": _is_running,
}


def _remove(objects: ClusterObjects, *, seconds: float) -> None:
    """Delete the contents, the namespaces, what is cluster-wide, and kinds that only we used."""
    items = manifests(objects)
    _refuse_foreign(objects, items)
    namespaces = [item for item in items if item["kind"] == "Namespace"]
    for item in reversed(items):
        if item["kind"] != "Namespace":
            objects.delete(item)
    for secret in objects.list("v1", "Secret"):
        if secret["metadata"]["namespace"] in NAMESPACES:
            objects.delete(secret)
    for item in namespaces:
        objects.delete(item)
    deadline = time.monotonic() + seconds
    for item in namespaces:
        objects.wait_until_gone(item, seconds=max(0.1, deadline - time.monotonic()))
    for definition in _definitions():
        kind = definition["spec"]["names"]["kind"]
        version = f"{GROUP}/{definition['spec']['versions'][0]['name']}"
        unused = not objects.list(version, kind)
        if unused and _is_ours(objects, definition, if_missing=False):
            objects.delete(definition)
            objects.wait_until_gone(definition, seconds=max(0.1, deadline - time.monotonic()))
