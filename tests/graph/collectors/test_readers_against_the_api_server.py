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
from hypothesis import strategies as st

from graph import refs
from graph.collector import CollectContext
from graph.collectors.rbac import RbacCollector
from graph.connections import Connections, KubernetesSettings
from graph.kubernetes.rbac import READ_VERBS, aggregated, rules_of
from graph.kubernetes_api import KubernetesApi
from graph.model import EdgeKind
from graph.queries.readers import readers
from graph.snapshot import Snapshot

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
SPACES = ("a", "b")
NAMES = ("db", "api", "other")

VERBS = (*READ_VERBS, "create", "update", "delete", "impersonate", "bind", "escalate")
RESOURCES = (
    ("", "secrets"),
    ("", "secrets/status"),
    ("", "pods"),
    ("", "pods/exec"),
    ("", "serviceaccounts/token"),
    ("apps", "deployments"),
    ("batch", "secrets"),
    (GROUP, "roles"),
)
_RESOURCES = [
    "secrets",
    "secrets",
    "*",
    "secret",
    "Secrets",
    "pods",
    "pods/*",
    "*/*",
    "*/exec",
    "*/status",
    "pods/exec",
    "secrets/status",
    "serviceaccounts/token",
    "roles",
]
_rule = st.fixed_dictionaries(
    {
        "verbs": st.lists(st.sampled_from([*VERBS, "*", "GET"]), min_size=1, max_size=4),
        "apiGroups": st.lists(
            st.sampled_from(["", "", "*", "apps", GROUP]), min_size=1, max_size=2
        ),
        "resources": st.lists(
            st.sampled_from(_RESOURCES),
            min_size=1,
            max_size=3,
        ),
    },
    optional={
        "resourceNames": st.lists(st.sampled_from(["db", "api", ""]), min_size=1, max_size=2)
    },
)
_rules = st.lists(_rule, min_size=1, max_size=2)
_subject = st.sampled_from(
    [
        *(("User", name) for name in ("u-0", "u-1", "spelled", "anonymous")),
        *(("Group", name) for name in ("g-0", "accounts of a", "accounts")),
        *(("Group", name) for name in ("authenticated", "unauthenticated")),
        *(("ServiceAccount", name) for name in ("bot a", "bot b", "bot")),
    ]
)
# Never bound cluster-wide here: the cluster may have other users while the test runs.
_EVERYBODY = {"accounts", "authenticated", "unauthenticated", "anonymous"}
_binding = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["RoleBinding"] * 5 + ["ClusterRoleBinding"]),
        "space": st.sampled_from(SPACES),
        "role": st.tuples(st.sampled_from(["Role", "ClusterRole"]), st.integers(0, 6)),
        "subjects": st.lists(_subject, min_size=1, max_size=2),
    }
)
WORLDS = st.tuples(
    st.lists(_rules, min_size=6, max_size=6),  # ClusterRoles; a binding to number 6 dangles
    st.lists(st.tuples(st.sampled_from(SPACES), _rules), min_size=6, max_size=6),  # Roles
    st.lists(_binding, min_size=8, max_size=10),
)
# (kind, name of a subject) -> how the API server is told who asks: user, groups
ASKERS = ("u-0", "u-1", "in g-0", "bot a", "bot b", "anonymous", "master")


class World:
    """Generated rights in two namespaces of a real cluster, taken away again at the end."""

    def __init__(self, api: KubernetesApi, pool: ThreadPoolExecutor) -> None:
        self.api = api
        self.prefix = f"rights-{secrets.token_hex(3)}"
        self._pool = pool
        self._made: list[str] = []

    def space(self, short: str) -> str:
        return f"{self.prefix}-{short}"

    def create(self, world: Any) -> None:
        cluster_roles, roles, bindings = world
        for short in SPACES:
            self.make("/api/v1/namespaces", {"metadata": {"name": self.space(short)}})
        todo = [
            (f"{RBAC}/clusterroles", {"metadata": {"name": f"{self.prefix}-{n}"}, "rules": rules})
            for n, rules in enumerate(cluster_roles)
        ]
        todo += [
            (self._near(space, "roles"), {"metadata": {"name": f"role-{n}"}, "rules": rules})
            for n, (space, rules) in enumerate(roles)
        ]
        todo += [self._binding(n, one) for n, one in enumerate(bindings)]
        list(self._pool.map(lambda one: self.make(*one), todo))
        self.wait_until_known()

    def remove(self) -> None:
        # A namespace is emptied some time later: until then others would see dangling bindings.
        for kind in ("bindings/", "roles/", "namespaces/"):
            gone = [path for path in self._made if path.rpartition("/")[0].endswith(kind[:-1])]
            list(self._pool.map(self.api.delete, gone))

    def asker(self, who: str) -> tuple[str, list[str], list[str]]:
        """Give user name and groups, and the refs that the graph knows these by."""
        everybody = ["system:authenticated"]
        if who.startswith("bot"):
            space = self.space(who[-1])
            groups = [*everybody, "system:serviceaccounts", f"system:serviceaccounts:{space}"]
            user, own = f"system:serviceaccount:{space}:bot", f"k8s://c/{space}/ServiceAccount/bot"
        elif who == "anonymous":
            groups, user, own = (
                ["system:unauthenticated"],
                "system:anonymous",
                "k8s://c/-/User/system:anonymous",
            )
        else:
            user = f"{self.prefix}-{who.replace(' ', '-')}"
            groups = [*everybody, *([f"{self.prefix}-g-0"] if who == "in g-0" else [])]
            groups += ["system:masters"] if who == "master" else []
            own = f"k8s://c/-/User/{user}"
        return user, groups, [own, *(refs.k8s("c", "", "Group", group) for group in groups)]

    def allowed(self, user: str, groups: list[str], **attributes: str) -> bool:
        spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
        return bool(self.api.post(REVIEWS, {"spec": spec})["status"]["allowed"])

    def _binding(self, number: int, one: Any) -> tuple[str, dict[str, Any]]:
        near = one["kind"] == "RoleBinding"
        kind, which = one["role"] if near else ("ClusterRole", one["role"][1])
        role = f"{self.prefix}-{which}" if kind == "ClusterRole" else f"role-{which}"
        body = {
            "metadata": {"name": f"{self.prefix}-b{number}"},
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
            "subjects": [
                subject
                for sort, name in one["subjects"]
                if (subject := self._subject(sort, name, near=near))
            ],
        }
        where = self._near(one["space"], "rolebindings") if near else f"{RBAC}/clusterrolebindings"
        return where, body

    def _subject(self, kind: str, name: str, *, near: bool) -> dict[str, str] | None:
        if kind == "ServiceAccount":
            _, _, space = name.partition(" ")
            if not space and not near:
                return None  # the server refuses to store it; see tests/graph/test_grants.py
            found = {"kind": kind, "name": "bot"}
            return {**found, "namespace": self.space(space)} if space else found
        if name in _EVERYBODY and not near:
            return None
        full = {
            "spelled": f"system:serviceaccount:{self.space('a')}:bot",
            "anonymous": "system:anonymous",
            "accounts": "system:serviceaccounts",
            "accounts of a": f"system:serviceaccounts:{self.space('a')}",
            "authenticated": "system:authenticated",
            "unauthenticated": "system:unauthenticated",
        }.get(name, f"{self.prefix}-{name}")
        return {"apiGroup": GROUP, "kind": kind, "name": full}

    def wait_until_known(self) -> None:
        """Make one last right and poll until the authorizer's cache has it, and so the others."""
        last = f"{self.prefix}-last-{secrets.token_hex(2)}"
        rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]
        self.make(f"{RBAC}/clusterroles", {"metadata": {"name": last}, "rules": rules})
        role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": last}
        for where in (
            *(self._near(space, "rolebindings") for space in SPACES),
            f"{RBAC}/clusterrolebindings",
        ):
            user = f"{last}-{secrets.token_hex(2)}"
            subject = {"kind": "User", "name": user, "apiGroup": GROUP}
            body = {"metadata": {"name": user}, "subjects": [subject], "roleRef": role}
            self.make(where, body)
            space = where.removeprefix(f"{RBAC}/namespaces/").split("/")[0]
            deadline = time.monotonic() + 30
            while not self.allowed(user, [], namespace=space, verb="get", resource="secrets"):
                assert time.monotonic() < deadline, "the API server does not see the new rights"
                time.sleep(0.02)

    def _near(self, short: str, plural: str) -> str:
        return f"{RBAC}/namespaces/{self.space(short)}/{plural}"

    def make(self, collection: str, body: dict[str, Any]) -> None:
        self.api.post(collection, body)
        self._made.append(f"{collection}/{body['metadata']['name']}")


class Tally:
    """Counts questions; keeps what differs, which must be nothing."""

    def __init__(self) -> None:
        self.questions = self.allowed = 0
        self.differences: list[str] = []

    def compare(self, question: str, *, ours: bool, theirs: bool) -> None:
        self.questions += 1
        self.allowed += theirs
        if ours is not theirs:
            self.differences.append(f"{question}: ours {ours}, theirs {theirs}")


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
