"""Generated rights in two namespaces of a real cluster, and a tally of the questions about them."""

import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import strategies as st

from graph import refs
from graph.kubernetes.rbac import READ_VERBS
from graph.kubernetes_api import KubernetesApi

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
SPACES = ("a", "b")

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

    def __init__(self, api: KubernetesApi, pool: ThreadPoolExecutor, *, prefix: str = "") -> None:
        self.api = api
        self.prefix = prefix or f"rights-{secrets.token_hex(3)}"
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

    def wait_until_known(self, spaces: Iterable[str] = SPACES) -> None:
        """Make one last right and poll until the authorizer's cache has it, and so the others."""
        last = f"{self.prefix}-last-{secrets.token_hex(2)}"
        rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]
        self.make(f"{RBAC}/clusterroles", {"metadata": {"name": last}, "rules": rules})
        role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": last}
        for where in (
            *(self._near(space, "rolebindings") for space in spaces),
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
