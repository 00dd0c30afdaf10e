"""Bindings joined with roles: who can read, where, by which path."""

from typing import Any

from graph.gathered import Gathered
from graph.kubernetes.grants import Grants
from graph.model import Attributes, EdgeKind, Observation

RBAC = "rbac.authorization.k8s.io/v1"
CLUSTER = "k8s://c/-/Cluster/c"


def rule(verbs: str, resources: str = "secrets", names: str = "", group: str = "") -> Any:
    found: dict[str, Any] = {
        "verbs": verbs.split(),
        "apiGroups": [group],
        "resources": resources.split(),
    }
    return {**found, "resourceNames": names.split()} if names else found


def role(name: str, *rules: Any, namespace: str = "pay") -> dict[str, Any]:
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": RBAC, "kind": kind, "metadata": metadata, "rules": list(rules)}


def user(name: str) -> dict[str, str]:
    return {"kind": "User", "name": name}


def account(name: str, namespace: str = "") -> dict[str, str]:
    where = {"namespace": namespace} if namespace else {}
    return {"kind": "ServiceAccount", "name": name, **where}


def bind(to: str, *subjects: Any, namespace: str = "pay", kind: str = "Role") -> dict[str, Any]:
    binding = "RoleBinding" if namespace else "ClusterRoleBinding"
    metadata = {"name": f"to-{to}", "namespace": namespace} if namespace else {"name": f"to-{to}"}
    return {
        "apiVersion": RBAC,
        "kind": binding,
        "metadata": metadata,
        "roleRef": {"kind": kind, "name": to},
        "subjects": list(subjects),
    }


def observed(*objects: dict[str, Any], live: bool = True) -> Observation:
    gathered = Gathered("rbac/c", "c")
    grants = Grants(gathered, live=live)
    for obj in objects:
        assert grants.add(obj)
    grants.finish()
    return gathered.observation()


def readers(found: Observation) -> dict[tuple[str, str, str], Attributes]:
    """Return the edges without those of groups that are always allowed."""
    return {
        (edge.tail.removeprefix("k8s://c/"), edge.head, str(edge.attributes["verb"])): (
            edge.attributes
        )
        for edge in found.edges
        if edge.kind is EdgeKind.CAN_READ and "Group/system:" not in edge.tail
    }


def test_a_role_reads_the_namespace_of_its_binding_and_the_path_says_why() -> None:
    found = readers(observed(role("r", rule("list")), bind("r", user("ana"))))
    (attributes,) = found.values()
    assert list(found) == [("-/User/ana", "k8s://c/-/Namespace/pay", "list")]
    assert attributes["direct"] is True
    assert attributes["path"] == ("k8s://c/pay/RoleBinding/to-r", "k8s://c/pay/Role/r")


def test_a_cluster_role_reads_where_it_is_bound() -> None:
    objects = role("r", rule("get"), namespace="")
    near = observed(objects, bind("r", user("ana"), kind="ClusterRole"))
    far = observed(objects, bind("r", user("ana"), kind="ClusterRole", namespace=""))
    assert list(readers(near)) == [("-/User/ana", "k8s://c/-/Namespace/pay", "get")]
    assert list(readers(far)) == [("-/User/ana", CLUSTER, "get")]


def test_names_lead_to_the_secret_or_stay_on_the_edge_to_the_cluster() -> None:
    near = observed(role("r", rule("get", names="db")), bind("r", user("ana")))
    assert list(readers(near)) == [("-/User/ana", "k8s://c/pay/Secret/db", "get")]
    far = readers(
        observed(
            role("r", rule("get", names="db"), namespace=""),
            bind("r", user("ana"), kind="ClusterRole", namespace=""),
        )
    )
    assert far["-/User/ana", CLUSTER, "get"]["names"] == ("db",)


def test_subjects_are_named_as_kubernetes_understands_them() -> None:
    subjects = [
        {"kind": "Group", "name": "dev"},
        account("ci"),
        user("system:serviceaccount:other:robot"),
        {"kind": "Robot", "name": "x"},
        {"kind": "User"},
    ]
    found = readers(observed(role("r", rule("get")), bind("r", *subjects)))
    assert {tail for tail, _, _ in found} == {
        "-/Group/dev",
        "pay/ServiceAccount/ci",
        "other/ServiceAccount/robot",
    }


def test_an_account_without_namespace_in_a_cluster_role_binding_never_applies() -> None:
    found = observed(
        role("r", rule("get"), namespace=""),
        bind("r", account("ci"), kind="ClusterRole", namespace=""),
    )
    assert not readers(found)


def test_a_binding_to_a_missing_role_gives_nothing_and_says_so() -> None:
    found = observed(bind("gone", user("ana")))
    assert not readers(found)
    (binding,) = [node for node in found.nodes if node.kind == "binding"]
    assert binding.attributes == {"role_missing": True}


def test_a_role_of_another_namespace_is_another_role() -> None:
    assert not readers(observed(role("r", rule("get"), namespace="x"), bind("r", user("ana"))))


def test_a_detour_is_marked_as_indirect_with_a_note() -> None:
    found = readers(observed(role("r", rule("create", "pods")), bind("r", user("ana"))))
    attributes = found["-/User/ana", "k8s://c/-/Namespace/pay", "create pods"]
    assert attributes["direct"] is False
    assert "mount any Secret" in str(attributes["note"])


def test_who_mints_a_token_reads_what_the_account_reads() -> None:
    found = readers(
        observed(
            role("minter", rule("create", "serviceaccounts/token")),
            bind("minter", user("ana")),
            role("all", rule("list"), namespace=""),
            bind("all", account("backup", "pay"), kind="ClusterRole", namespace=""),
        )
    )
    attributes = found["-/User/ana", CLUSTER, "list"]
    assert attributes["direct"] is False
    assert attributes["path"] == (
        "k8s://c/pay/RoleBinding/to-minter",
        "k8s://c/pay/Role/minter",
        "k8s://c/pay/ServiceAccount/backup",
        "k8s://c/-/ClusterRoleBinding/to-all",
        "k8s://c/-/ClusterRole/all",
    )


def test_identities_are_followed_to_the_end_also_in_a_circle() -> None:
    mint = rule("create", "serviceaccounts/token")
    found = readers(
        observed(
            role("a", mint, namespace="a"),
            role("b", mint, namespace="b"),
            role("c", rule("get"), namespace="c"),
            bind("a", user("ana"), account("two", "b"), namespace="a"),
            bind("b", account("one", "a"), namespace="b"),
            bind("c", account("two", "b"), namespace="c"),
        )
    )
    assert ("-/User/ana", "k8s://c/-/Namespace/c", "get") in found


def test_impersonation_leads_to_users_and_named_groups() -> None:
    found = readers(
        observed(
            role("i", rule("impersonate", "groups", names="ops"), namespace=""),
            bind("i", user("ana"), kind="ClusterRole", namespace=""),
            role("r", rule("get")),
            bind("r", {"kind": "Group", "name": "ops"}, user("bob")),
        )
    )
    assert ("-/User/ana", "k8s://c/-/Namespace/pay", "get") in found


def test_bind_and_escalate_need_their_second_half() -> None:
    group = "rbac.authorization.k8s.io"
    bind_any = rule("bind", "clusterroles", group=group)
    write = rule("create", "rolebindings", group=group)
    assert not readers(observed(role("r", bind_any), bind("r", user("ana"))))
    assert not readers(observed(role("r", write), bind("r", user("ana"))))
    both = readers(observed(role("r", bind_any, write), bind("r", user("ana"))))
    assert list(both) == [("-/User/ana", "k8s://c/-/Namespace/pay", "bind clusterroles")]
    escalate = rule("escalate update", "roles", group=group)
    found = readers(observed(role("r", escalate), bind("r", user("ana"))))
    assert list(found) == [("-/User/ana", "k8s://c/-/Namespace/pay", "escalate roles")]


def test_binding_only_a_harmless_role_is_harmless() -> None:
    group = "rbac.authorization.k8s.io"
    rules = [
        rule("bind", "clusterroles", names="view", group=group),
        rule("create", "rolebindings", group=group),
    ]
    found = observed(
        role("view", rule("get", "pods"), namespace=""),
        role("r", *rules),
        bind("r", user("ana")),
    )
    assert not readers(found)


def test_what_needs_the_whole_cluster_is_not_given_by_a_role_binding() -> None:
    nodes = role("n", rule("get", "nodes/proxy"), namespace="")
    near = observed(nodes, bind("n", user("ana"), kind="ClusterRole"))
    assert not readers(near)
    far = observed(nodes, bind("n", user("ana"), kind="ClusterRole", namespace=""))
    assert ("-/User/ana", CLUSTER, "get nodes/proxy") in readers(far)


def test_aggregation_is_computed_for_manifests_and_read_from_a_live_cluster() -> None:
    parent = {
        **role("view", namespace=""),
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]},
    }
    child = role("child", rule("get"), namespace="")
    child["metadata"]["labels"] = {"x": "y"}
    objects = (parent, child, bind("view", user("ana"), kind="ClusterRole"))
    assert readers(observed(*objects, live=False))
    assert not readers(observed(*objects, live=True))


def test_masters_are_always_allowed_on_a_live_cluster() -> None:
    tails = {edge.tail for edge in observed().edges}
    assert tails == {"k8s://c/-/Group/system:masters", "k8s://c/-/Group/system:nodes"}
    assert not observed(live=False).edges
