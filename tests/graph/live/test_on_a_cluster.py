"""A change in a real cluster is in the answers soon; bench_live measures how soon."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graph.collect import collect, found_collectors
from graph.collector import CollectContext
from graph.connections import Connections, KubernetesApi, KubernetesSettings
from graph.errors import ConflictError, NotFoundError
from graph.live.pace import Pace
from graph.model import EdgeKind
from graph.queries.consumers import consumers
from graph.queries.readers import readers
from graph.refs import Ref
from graph.repository import GraphRepository
from tests.graph.live.parts import deployment, eventually, running

pytestmark = pytest.mark.cluster

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
QUICK_DISCOVERY = Pace(interval=5, discovery=0.5)


@pytest.fixture
def settings(real_cluster: Path) -> dict[str, KubernetesSettings]:
    return {"prod": KubernetesSettings(kubeconfig=str(real_cluster))}


@pytest.fixture
def api(settings: dict[str, KubernetesSettings]) -> Iterator[KubernetesApi]:
    connections = Connections({}, settings, {})
    yield connections.kubernetes("prod")
    connections.close()


@pytest.fixture
def namespace(api: KubernetesApi) -> Iterator[str]:
    name = f"live-{secrets.token_hex(4)}"
    api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


def custom(plural: str, kind: str, group: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }


@pytest.fixture
def external_secrets(api: KubernetesApi) -> Iterator[str]:
    """The version in which the cluster serves External Secrets; made here if it has none."""
    made = []
    for plural, kind in (("externalsecrets", "ExternalSecret"), ("secretstores", "SecretStore")):
        definition = custom(plural, kind, "external-secrets.io")
        with suppress(ConflictError):
            api.post(CRDS, definition)
            made.append(definition["metadata"]["name"])

    def served() -> bool:
        api.rediscover()
        return all(
            api.resource(plural, "external-secrets.io")
            for plural in ("externalsecrets", "secretstores")
        )

    eventually(served)
    found = api.resource("externalsecrets", "external-secrets.io")
    assert found is not None
    yield found.version
    for name in made:
        api.delete(f"{CRDS}/{name}")


def users_of(repository: GraphRepository, secret: Ref) -> set[str]:
    """Name the workloads that use it now; what only an earlier revision names does not count."""
    answer = consumers(repository.snapshot(), secret)
    return {
        consumer.workload.rpartition("/")[2]
        for consumer in answer.consumers
        if any(not use.field.startswith("rollback") for use in consumer.via)
    }


def readers_of(repository: GraphRepository, secret: Ref) -> set[str]:
    found = readers(repository.snapshot(), secret).readers
    return {reader.subject.rpartition("/")[2] for reader in found}


def gaps_of(repository: GraphRepository) -> set[tuple[str, str, str]]:
    return {(each.source, each.scope, each.reason) for each in repository.snapshot().gaps}


def test_workloads_come_change_and_go(
    repository: GraphRepository,
    settings: dict[str, KubernetesSettings],
    api: KubernetesApi,
    namespace: str,
) -> None:
    secret = Ref(f"k8s://prod/{namespace}/Secret/db")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    with running(repository, settings, pace=Pace()):
        before = gaps_of(repository)  # others' objects may lie on a shared cluster
        api.post(path, deployment(namespace, "api", "db"))
        eventually(lambda: users_of(repository, secret) == {"api"})
        api.put(f"{path}/api", deployment(namespace, "api", "other"))
        eventually(lambda: users_of(repository, secret) == set())
        api.put(f"{path}/api", deployment(namespace, "api", "db"))
        eventually(lambda: users_of(repository, secret) == {"api"})
        api.delete(f"{path}/api")
        eventually(lambda: users_of(repository, secret) == set())
        assert gaps_of(repository) == before


def test_a_binding_makes_readers_and_its_end_ends_them(
    repository: GraphRepository,
    settings: dict[str, KubernetesSettings],
    api: KubernetesApi,
    namespace: str,
) -> None:
    secret = Ref(f"k8s://prod/{namespace}/Secret/db")
    path = f"{RBAC}/namespaces/{namespace}"
    role = {
        "metadata": {"name": "reads"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    }
    subject = {"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": "reads", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "reads"}, "subjects": [subject], "roleRef": reference}
    with running(repository, settings, pace=Pace()):
        api.post(
            f"/apis/apps/v1/namespaces/{namespace}/deployments",
            deployment(namespace, "api", "db"),
        )
        api.post(f"{path}/roles", role)
        eventually(lambda: repository.snapshot().node(secret))
        assert "mallory" not in readers_of(repository, secret)
        api.post(f"{path}/rolebindings", binding)
        eventually(lambda: "mallory" in readers_of(repository, secret))
        api.delete(f"{path}/rolebindings/reads")
        eventually(lambda: "mallory" not in readers_of(repository, secret))


def test_an_external_secret_that_changes_copies_something_else(
    repository: GraphRepository,
    settings: dict[str, KubernetesSettings],
    api: KubernetesApi,
    namespace: str,
    external_secrets: str,
) -> None:
    root = f"/apis/external-secrets.io/{external_secrets}/namespaces/{namespace}"
    version = f"external-secrets.io/{external_secrets}"
    path = f"{root}/externalsecrets"

    def external(key: str) -> dict[str, Any]:
        return {
            "apiVersion": version,
            "kind": "ExternalSecret",
            "metadata": {"name": "db", "namespace": namespace},
            "spec": {
                "refreshInterval": "1m",
                "secretStoreRef": {"name": "store", "kind": "SecretStore"},
                "target": {"name": "db"},
                "data": [{"secretKey": "password", "remoteRef": {"key": key}}],
            },
        }

    def copied() -> set[str]:
        edges = repository.snapshot().into(
            Ref(f"k8s://prod/{namespace}/Secret/db"), EdgeKind.COPIES
        )
        return {edge.tail.rpartition("/")[2] for edge in edges}

    auth = {"tokenSecretRef": {"name": "vault-token", "key": "token"}}
    provider = {"vault": {"server": "http://vault.test", "path": "kv", "auth": auth}}
    store = {
        "apiVersion": version,
        "kind": "SecretStore",
        "metadata": {"name": "store", "namespace": namespace},
        "spec": {"provider": provider},
    }
    with running(repository, settings, pace=Pace()):
        api.post(f"{root}/secretstores", store)
        api.post(path, external("first"))
        eventually(lambda: copied() == {"first"})
        version_now = api.get(f"{path}/db")["metadata"]["resourceVersion"]
        changed = external("second")
        changed["metadata"]["resourceVersion"] = version_now
        api.put(f"{path}/db", changed)
        eventually(lambda: copied() == {"second"})
        api.delete(f"{path}/db")
        eventually(lambda: copied() == set())


def test_a_kind_that_is_installed_while_the_bot_runs_is_followed(
    repository: GraphRepository,
    settings: dict[str, KubernetesSettings],
    api: KubernetesApi,
    namespace: str,
) -> None:
    definition = custom("scaledjobs", "ScaledJob", "keda.sh")
    secret = Ref(f"k8s://prod/{namespace}/Secret/db")
    with running(repository, settings, pace=QUICK_DISCOVERY):
        api.post(CRDS, definition)
        try:
            path = f"/apis/keda.sh/v1/namespaces/{namespace}/scaledjobs"
            template = deployment(namespace, "x", "db")["spec"]["template"]
            job = {
                "apiVersion": "keda.sh/v1",
                "kind": "ScaledJob",
                "metadata": {"name": "batch", "namespace": namespace},
                "spec": {"jobTargetRef": {"template": template}},
            }

            def posted() -> bool:
                with suppress(NotFoundError):
                    api.post(path, job)
                    return True
                return False

            eventually(posted)
            eventually(lambda: users_of(repository, secret) == {"batch"})
        finally:
            api.delete(f"{CRDS}/scaledjobs.keda.sh")
        eventually(lambda: users_of(repository, secret) == set())


def test_what_is_followed_is_what_a_look_from_scratch_sees(
    repository: GraphRepository,
    settings: dict[str, KubernetesSettings],
    api: KubernetesApi,
    namespace: str,
) -> None:
    with running(repository, settings, pace=Pace()):
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        for name in ("a", "b", "c"):
            api.post(path, deployment(namespace, name, f"db-{name}"))
        api.delete(f"{path}/b")
        secret = Ref(f"k8s://prod/{namespace}/Secret/db-c")
        eventually(lambda: users_of(repository, secret) == {"c"})
        connections = Connections({}, settings, {})
        context = CollectContext(connections, None)
        members = {name: one for name, one in found_collectors().items() if name != "vault"}
        now = datetime.now(UTC)

        def changes() -> int:
            looks = collect(repository, context, now=now, collectors=members)
            return sum(result.changes for result in looks)

        # Others use the cluster too: one of several looks must fall between their changes.
        eventually(lambda: changes() == 0)
        connections.close()
