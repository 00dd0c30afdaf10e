"""
Generated and hand-made roles and bindings: our readers and the API server's own verdicts must not
differ in one question. Hypothesis makes the rights; SubjectAccessReview answers.
"""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from graph import refs
from graph.collector import CollectContext
from graph.collectors.rbac import RbacCollector
from graph.connections import Connections, KubernetesSettings
from graph.kubernetes.rbac import READ_VERBS, aggregated, rules_of
from graph.model import EdgeKind
from graph.queries.readers import readers
from graph.snapshot import Snapshot
from tests.graph.collectors.rights_on_a_cluster import (
    ASKERS,
    GROUP,
    RBAC,
    RESOURCES,
    SPACES,
    VERBS,
    WORLDS,
    Tally,
    World,
)

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
NAMES = ("db", "api", "other")


@pytest.fixture(scope="module")
def parts(real_cluster: Path) -> Iterator[tuple[Connections, ThreadPoolExecutor]]:
    settings_ = KubernetesSettings(kubeconfig=str(real_cluster))
    facade = Connections(vaults={}, clusters={"c": settings_}, issuers={})
    with ThreadPoolExecutor(6) as pool:
        yield facade, pool
    facade.close()


def observed(facade: Connections) -> Snapshot:
    (found,) = RbacCollector().collect("rbac/c", CollectContext(facade, None))
    return Snapshot.of(found.nodes, found.edges)


def compare_readers(
    world: World, snapshot: Snapshot, pool: ThreadPoolExecutor, tally: Tally
) -> None:
    """Ask who reads each Secret with each verb, and who lists over all namespaces."""
    ours: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for space, name in product(SPACES, NAMES):
        secret = refs.k8s("c", world.space(space), "Secret", name)
        ours[space, name] = {
            (reader.subject, verb)
            for reader in readers(snapshot, secret).readers
            if reader.direct
            for verb in reader.verbs
        }

    def one(question: tuple[str, str, str, str]) -> tuple[str, bool, bool]:
        who, space, name, verb = question
        user, groups, known = world.asker(who)
        # A list or a watch of the whole namespace reveals it, and so does one with the field
        # selector metadata.name; a deletecollection never carries a name, even with a selector.
        asks = {"deletecollection": ("",), "list": ("", name), "watch": ("", name)}
        theirs = any(
            world.allowed(
                user,
                groups,
                namespace=world.space(space),
                verb=verb,
                resource="secrets",
                name=asked,
            )
            for asked in asks.get(verb, (name,))
        )
        found = ours[space, name]
        mine = any((ref, said) in found for ref in known for said in (verb, "*"))
        return f"{who} {verb} {space}/{name}", mine, theirs

    for said, mine, theirs in pool.map(one, product(ASKERS, SPACES, NAMES, READ_VERBS)):
        tally.compare(said, ours=mine, theirs=theirs)

    everywhere = refs.k8s("c", "", "Cluster", "c")
    for who, verb in product(ASKERS, ("list", "watch", "deletecollection")):
        user, groups, known = world.asker(who)
        mine = any(
            edge.tail in known
            and edge.attributes["direct"]
            and edge.attributes["verb"] in {verb, "*"}
            and not edge.attributes.get("names")
            for edge in snapshot.into(everywhere, EdgeKind.CAN_READ)
        )
        theirs = world.allowed(user, groups, verb=verb, resource="secrets")
        tally.compare(f"{who} {verb} everywhere", ours=mine, theirs=theirs)


def compare_rules(world: World, roles: Any, pool: ThreadPoolExecutor, tally: Tally) -> None:
    """Ask each rule on its own about all verbs, resources and names: one user per role."""
    users = []
    for number, (space, rules) in enumerate(roles):
        user = f"{world.prefix}-only-{number}"
        body = {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": f"role-{number}"},
            "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}],
        }
        world.make(f"{RBAC}/namespaces/{world.space(space)}/rolebindings", body)
        users.append((user, space, rules_of({"rules": rules})))
    world.wait_until_known()

    def one(question: Any) -> tuple[str, bool, bool]:
        (user, space, rules), verb, (group, resource), name = question
        mine = any(rule.allows(verb, group, resource, name) for rule in rules)
        main, _, sub = resource.partition("/")
        theirs = world.allowed(
            user,
            [],
            namespace=world.space(space),
            verb=verb,
            group=group,
            resource=main,
            subresource=sub,
            name=name,
        )
        return f"{user} {verb} {group}/{resource} {name}", mine, theirs

    for said, mine, theirs in pool.map(one, product(users, VERBS, RESOURCES, ("", "db"))):
        tally.compare(said, ours=mine, theirs=theirs)


def test_generated_rights_are_read_as_the_api_server_reads_them(
    parts: tuple[Connections, ThreadPoolExecutor],
) -> None:
    facade, pool = parts
    tally = Tally()
    began = time.monotonic()

    @given(generated=WORLDS)
    @settings(
        max_examples=5,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def compared(generated: Any) -> None:
        world = World(facade.kubernetes("c"), pool)
        try:
            world.create(generated)
            compare_readers(world, observed(facade), pool, tally)
            compare_rules(world, generated[1], pool, tally)
        finally:
            world.remove()

    compared()
    seconds = time.monotonic() - began
    print(
        f"\n{tally.questions} questions to SubjectAccessReview, {tally.allowed} allowed,"
        f" {len(tally.differences)} differences, {seconds:.0f} s"
    )
    assert tally.differences == []
    assert tally.questions > 3000
    assert 0.05 < tally.allowed / tally.questions < 0.8  # neither all doors open nor all shut


def _names(verbs: list[str], *names: str, resources: str = "secrets") -> list[dict[str, Any]]:
    rule: dict[str, Any] = {"verbs": verbs, "apiGroups": [""], "resources": [resources]}
    return [{**rule, "resourceNames": list(names)} if names else rule]


def test_hand_made_rights_are_read_as_the_api_server_reads_them(
    parts: tuple[Connections, ThreadPoolExecutor],
) -> None:
    """The cases that other tools get wrong: see the table in docs/readers.md."""
    facade, pool = parts
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    cluster_roles = [
        everything,
        _names(["list"], "db"),
        _names(["list", "watch"], ""),
        _names(["get"], "db", "api"),
        _names(["patch"], "db"),
        _names(["deletecollection"], "db"),
    ]
    roles = [
        ("a", _names(["get"], resources="secrets/status")),
        ("a", _names(["*"], resources="*/status")),
        ("a", _names(["get"], resources="pods/*")),
        ("b", _names(["deletecollection"])),
        ("b", _names(["watch"], "db")),
        (
            "b",
            [{"verbs": ["get"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["api"]}],
        ),
    ]

    def bound(role: tuple[str, int], *subjects: tuple[str, str], kind: str = "RoleBinding") -> Any:
        return {"kind": kind, "space": "ab"[role[1] % 2], "role": role, "subjects": subjects}

    bindings = [
        bound(("ClusterRole", 1), ("User", "u-0"), kind="ClusterRoleBinding"),
        bound(("ClusterRole", 2), ("User", "u-1")),
        bound(("ClusterRole", 3), ("Group", "accounts of a"), kind="ClusterRoleBinding"),
        bound(("ClusterRole", 4), ("ServiceAccount", "bot"), ("User", "anonymous")),
        bound(("ClusterRole", 5), ("Group", "g-0")),
        bound(("ClusterRole", 0), ("User", "spelled")),
        bound(("Role", 3), ("Group", "unauthenticated")),
        bound(("Role", 5), ("ServiceAccount", "bot b")),
        bound(("Role", 6), ("User", "u-0")),
    ]
    tally = Tally()
    world = World(facade.kubernetes("c"), pool)
    try:
        world.create((cluster_roles, roles, bindings))
        compare_readers(world, observed(facade), pool, tally)
        compare_rules(world, roles, pool, tally)
    finally:
        world.remove()
    print(f"\n{tally.questions} hand-made questions, {len(tally.differences)} differences")
    assert tally.differences == []


def test_roles_gathered_by_label_are_what_the_cluster_gathers(
    parts: tuple[Connections, ThreadPoolExecutor],
) -> None:
    """The cluster's own controller fills aggregated roles; from manifests we compute the same."""
    api = parts[0].kubernetes("c")
    prefix = f"rights-{secrets.token_hex(3)}"
    label = {level: f"{prefix}.example/{level}" for level in ("view", "edit", "one", "two")}

    def role(name: str, carries: str, gathers: str, *rules: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "metadata": {
                "name": f"{prefix}-{name}",
                "labels": {label[carries]: "true"} if carries else {},
            },
            "rules": list(rules),
        }
        if gathers:
            selectors = [{"matchLabels": {label[gathers]: "true"}}]
            made["aggregationRule"] = {"clusterRoleSelectors": selectors}
        return made

    reads, lists = _names(["get"])[0], _names(["list"], "db")[0]
    manifests = [
        role("child", "view", "", reads),
        role("other", "edit", "", lists),
        role("view", "edit", "view"),
        role("edit", "", "edit"),
        role("circle-1", "one", "two"),
        role("circle-2", "two", "one"),
    ]
    collection = f"{RBAC}/clusterroles"
    try:
        for manifest in manifests:
            api.post(collection, manifest)
        ours = aggregated({one["metadata"]["name"]: one for one in manifests})
        deadline = time.monotonic() + 30
        while True:
            theirs = {name: set(rules_of(api.get(f"{collection}/{name}"))) for name in ours}
            if theirs == {name: set(rules) for name, rules in ours.items()}:
                break
            assert time.monotonic() < deadline, (ours, theirs)
            time.sleep(0.1)
        assert ours[f"{prefix}-edit"]
        assert not ours[f"{prefix}-circle-1"]
    finally:
        for manifest in manifests:
            api.delete(f"{collection}/{manifest['metadata']['name']}")
