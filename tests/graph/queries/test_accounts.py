"""A SecretStore knows the region of an AWS secret, not its account: one that fits is it."""

from graph.model import Edge, EdgeKind, Node, NodeKind
from graph.queries.blast_radius import blast_radius
from graph.queries.consumers import consumers
from graph.queries.readers import readers
from graph.refs import Ref, cloud, k8s
from graph.snapshot import Snapshot

REAL, TWIN = (
    cloud("aws", account, "eu-west-1", "secretsmanager", "pay/db") for account in ("1111", "2222")
)
ELSEWHERE = cloud("aws", "1111", "us-east-1", "secretsmanager", "pay/db")
NAMED = cloud("aws", "", "eu-west-1", "secretsmanager", "pay/db")
COPY, PUSHED = k8s("c", "pay", "Secret", "db"), k8s("c", "pay", "Secret", "pushed")
API, CSI = k8s("c", "pay", "Deployment", "api"), k8s("c", "pay", "Deployment", "csi")
ADMIN = cloud("aws", "1111", "iam", "role", "admin")


def world(*secrets: Ref) -> Snapshot:
    """Accounts have `secrets`; a cluster copies the one that it names without an account."""
    nodes = [Node(ref, NodeKind.SECRET) for ref in (*secrets, COPY, PUSHED)]
    nodes.append(Node(NAMED, NodeKind.SECRET, {"exists": False}))
    edges = [
        Edge(NAMED, COPY, EdgeKind.COPIES, {"sync": "sync", "from_key": "password", "key": "pw"}),
        Edge(PUSHED, NAMED, EdgeKind.COPIES, {"sync": "push"}),
        Edge(API, COPY, EdgeKind.CONSUMES, {"how": "env", "key": "pw"}),
        Edge(CSI, NAMED, EdgeKind.CONSUMES, {"how": "csi"}),
        *(Edge(ADMIN, ref, EdgeKind.CAN_READ, {"verb": "get"}) for ref in secrets),
    ]
    return Snapshot.of(nodes, edges)


def test_one_account_that_has_it_is_the_one_that_is_meant() -> None:
    snapshot = world(REAL, ELSEWHERE)
    for asked in (REAL, NAMED):
        found = consumers(snapshot, asked)
        assert [one.workload for one in found.consumers] == [API, CSI]
        assert found.gaps == ()
        assert ADMIN in {one.subject for one in readers(snapshot, asked).readers}
    assert not consumers(snapshot, ELSEWHERE).consumers
    assert [one.workload for one in consumers(snapshot, Ref(f"{REAL}#user")).consumers] == [CSI]


def test_the_blast_radius_of_a_copy_starts_in_the_account_and_lists_the_secret_once() -> None:
    snapshot = world(REAL)
    pushed = blast_radius(snapshot, [(PUSHED, "")])
    assert [copy.secret for copy in pushed.copies] == [REAL, COPY]
    assert blast_radius(snapshot, [(COPY, "pw")]).secrets == ((PUSHED, "password"),)
    assert ADMIN in {one.subject for one in pushed.readers}


def test_of_several_accounts_none_is_guessed_and_a_gap_says_so() -> None:
    snapshot = world(REAL, TWIN)
    assert not consumers(snapshot, REAL).consumers
    assert [one.workload for one in consumers(snapshot, NAMED).consumers] == [API, CSI]
    for gaps in (
        consumers(snapshot, REAL).gaps,
        readers(snapshot, NAMED).gaps,
        blast_radius(snapshot, [(COPY, "")]).gaps,
    ):
        (gap,) = gaps
        assert "1111, 2222" in gap.reason


def test_an_account_where_it_is_only_spoken_of_does_not_count() -> None:
    spoken_of = Node(REAL, NodeKind.SECRET, {"exists": False})
    edge = Edge(NAMED, COPY, EdgeKind.COPIES, {"sync": "sync"})
    use = Edge(API, COPY, EdgeKind.CONSUMES, {"how": "env"})
    snapshot = Snapshot.of([spoken_of, Node(NAMED, NodeKind.SECRET)], [edge, use])
    assert not consumers(snapshot, REAL).consumers
