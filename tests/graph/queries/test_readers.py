from graph import refs
from graph.model import Edge, EdgeKind, Node, NodeKind
from graph.queries.readable import readable_by
from graph.queries.readers import MOUNTS, readers
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.graph.demo_graph import (
    BOT_GAP,
    CI_POLICY,
    CI_ROLE,
    CI_TOKEN,
    GATEWAY,
    demo_edges,
    demo_graph,
    demo_nodes,
    secret,
)

DEVELOPERS = refs.k8s("demo", "", "Group", "payments-dev")
BACKUP = refs.k8s("demo", "platform", "ServiceAccount", "backup")
ALICE = refs.k8s("demo", "", "User", "alice")


def _with(*edges: Edge) -> Snapshot:
    return Snapshot.of(demo_nodes(), [*demo_edges(), *edges])


def _can_read(head: Ref, tail: Ref = ALICE, **attributes: object) -> Edge:
    said = {"verb": "get", "direct": True} | attributes
    return Edge(tail, head, EdgeKind.CAN_READ, said)  # type: ignore[arg-type]


def test_readers_of_a_secret_are_those_of_its_namespace_and_its_cluster_too() -> None:
    found = readers(demo_graph(), secret("payments", "payments-gateway"))
    direct = [reader for reader in found.readers if reader.direct]
    assert [(reader.subject, reader.verbs) for reader in direct] == [
        (DEVELOPERS, ("get", "list", "watch")),
        (BACKUP, ("get", "list")),
    ]
    assert [part.rpartition("/")[2] for part in direct[0].path] == [
        "secret-readers",
        "secret-reader",
    ]
    assert found.gaps == (BOT_GAP,)


def test_workloads_that_mount_it_come_last_as_indirect_readers() -> None:
    found = readers(demo_graph(), secret("shop", "payments-gateway")).readers
    assert [reader.subject.rpartition("/")[2] for reader in found] == [
        "backup",
        "checkout",
        "refunds",
    ]
    assert [reader.direct for reader in found] == [True, False, False]
    assert found[1].note == MOUNTS


def test_the_origin_is_read_through_its_policies_and_all_its_copies() -> None:
    found = readers(demo_graph(), GATEWAY).readers
    through_policy = [reader for reader in found if CI_POLICY in reader.path]
    assert [reader.subject for reader in through_policy] == [CI_TOKEN, CI_ROLE]
    assert all(reader.secret == GATEWAY for reader in through_policy)
    copies = {reader.secret for reader in found if reader.subject == BACKUP}
    assert copies == {
        secret(where, "payments-gateway") for where in ("payments", "shop", "reporting")
    }


def test_a_policy_that_nobody_is_known_to_hold_is_a_reader_itself() -> None:
    edges = [edge for edge in demo_edges() if edge.kind is not EdgeKind.OPENS]
    found = readers(Snapshot.of(demo_nodes(), edges), GATEWAY).readers
    assert [reader.subject for reader in found if reader.secret == GATEWAY] == [CI_POLICY]


def test_resource_names_narrow_a_rule_for_a_whole_namespace() -> None:
    home = refs.k8s("demo", "", "Namespace", "shop")
    snapshot = _with(_can_read(home, names=("stripe",)))

    def subjects(name: str) -> list[Ref]:
        return [reader.subject for reader in readers(snapshot, secret("shop", name)).readers]

    assert ALICE in subjects("stripe")
    assert ALICE not in subjects("payments-gateway")
    assert [way.secret for way in readable_by(snapshot, ALICE).secrets] == [
        secret("shop", "stripe")
    ]


def test_indirect_rules_come_after_direct_ones_with_their_note() -> None:
    target = secret("shop", "stripe")
    edge = _can_read(target, verb="create pods", direct=False, note="can run a pod that mounts it")
    *_, indirect, mounting = readers(_with(edge), target).readers
    assert (indirect.subject, indirect.direct, indirect.note) == (
        ALICE,
        False,
        "can run a pod that mounts it",
    )
    assert mounting.note == MOUNTS


def test_a_subject_is_asked_for_every_secret_that_it_can_obtain() -> None:
    found = readable_by(demo_graph(), BACKUP).secrets
    assert {way.secret for way in found} == {
        *(secret(where, "payments-gateway") for where in ("payments", "shop", "reporting")),
        secret("shop", "stripe"),
        secret("payments", "payments-db"),
    }
    through_policy = readable_by(demo_graph(), CI_ROLE).secrets
    assert {way.path for way in through_policy} == {(CI_POLICY,)}
    assert GATEWAY in {way.secret for way in through_policy}


def test_a_service_account_reads_with_the_groups_that_it_is_born_into() -> None:
    group = refs.k8s("demo", "", "Group", "system:serviceaccounts:platform")
    target = secret("shop", "stripe")
    found = readable_by(_with(_can_read(target, group)), BACKUP).secrets
    assert (target, (group,)) in {(way.secret, way.path) for way in found}


def test_a_role_whose_policies_are_joined_in_one_edge_is_named_once() -> None:
    other = refs.vault_policy("main", "payments-read")
    edges = (
        _can_read(GATEWAY, CI_ROLE, verb="read", path=(CI_POLICY, other)),
        _can_read(GATEWAY, other, verb="read"),
        Edge(CI_ROLE, other, EdgeKind.OPENS),
    )
    nodes = [*demo_nodes(), Node(other, NodeKind.POLICY)]
    snapshot = Snapshot.of(nodes, [*demo_edges(), *edges])
    found = [way.path for way in readers(snapshot, GATEWAY).readers if way.subject == CI_ROLE]
    assert found == [(CI_POLICY, other)]
    of_role = [way.path for way in readable_by(snapshot, CI_ROLE).secrets if way.secret == GATEWAY]
    assert of_role == [(CI_POLICY, other)]
