"""
The words of the graph: nodes, edges, gaps, fingerprints, observations. Pure values, no I/O.

An edge points from the one that acts or derives to the thing it acts on::

    (secret)-[stored_in]->(store)            (secret|workload|…)-[in_namespace]->(namespace)
    (secret)-[copies {sync}]->(secret)       from -> to: the copy is the head
    (workload)-[consumes {how, key, …}]->(secret)      one edge per use
    (workload)-[runs_as]->(subject)          (subject)-[can_read {verb, path}]->(secret|namespace)
    (credential)-[same_value {key, version}]->(secret)  (credential)-[opens]->(secret|policy|…)
    (anything)-[owned_by]->(team|person)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from graph.refs import Ref

AttributeValue = str | int | float | bool | None | tuple[str, ...]
Attributes = Mapping[str, AttributeValue]

EMPTY: Attributes = MappingProxyType({})


class NodeKind(StrEnum):
    SECRET = "secret"  # noqa: S105 - the word, not a value
    STORE = "store"
    NAMESPACE = "namespace"
    WORKLOAD = "workload"
    SUBJECT = "subject"  # user, group, service account; a Vault token, entity or auth role
    SYNC = "sync"
    POLICY = "policy"  # Vault policy, RBAC role
    BINDING = "binding"
    CREDENTIAL = "credential"
    TEAM = "team"
    PERSON = "person"


class EdgeKind(StrEnum):
    STORED_IN = "stored_in"
    IN_NAMESPACE = "in_namespace"
    COPIES = "copies"
    CONSUMES = "consumes"
    RUNS_AS = "runs_as"
    CAN_READ = "can_read"
    SAME_VALUE = "same_value"
    OPENS = "opens"
    OWNED_BY = "owned_by"
    USED_BY_CI = "used_by_ci"


class PicksUp(StrEnum):
    """How a consumer comes to run on a new value."""

    RESTART = "restart"
    SYNC = "sync"  # a mounted volume follows the kubelet; the application must reread the file
    POLL = "poll"
    NEVER = "never"
    NEXT_RUN = "next_run"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """
    One thing, named by its ref.

    Attributes by kind, all optional: secret `keys` (tuple), `type`, `immutable`, `exists`
    (False: only referred to), `version` (current), `owner` ("team:payments"), `issuer`;
    workload `replicas`, `schedule`, `suspended`, `service_account`, `reloader`; sync
    `refresh_interval` (seconds), `refresh_policy`; never a value of a secret.
    """

    ref: Ref
    kind: NodeKind
    attributes: Attributes = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Edge:
    """
    `tail` -[kind]-> `head`. Several edges of one kind may join the same two nodes: one per use.

    Attributes of `consumes`: `how`, `container`, `key` ("" = all keys), `field` (path in the
    object), `optional`, `picks_up`, `reason`. Of `copies`: `sync` (ref), `key` (at the head),
    `from_key` (at the tail), `refresh_interval` (seconds); where the tail is a place in which
    secrets are found: `find` (a pattern for their names), `inside` (how their refs begin) and
    `below` (how their names begin). Of `can_read`: `verb`, `direct`,
    `path` (tuple of refs of bindings, roles, policies), `note`, `kind` (the way, such as "direct"
    or "mint-token"), and where it is narrowed `names` (only these) and `running` (only what
    running pods hold). Of `opens`: the same; and where the head is a namespace or cluster
    `target`, whose rights there it lends: "ServiceAccount", "User", "Group", "SecretStore"
    or "VaultAuth".
    """

    tail: Ref
    head: Ref
    kind: EdgeKind
    attributes: Attributes = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something the graph could not see. `scope` names it, `reason` says why in one sentence."""

    source: str
    scope: str
    reason: str
    do_now: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """
    A keyed digest of one normal form of one value; see `graph/fingerprints.py`.

    `digest` is hex HMAC-SHA256 under the installation key `key_id`; `form` names the normal form
    ("as_is", "trimmed", "base64", "dsn_password", …); `weak` values never identify alone.
    """

    digest: str
    form: str
    key_id: str
    weak: bool = False


@dataclass(frozen=True, slots=True)
class StoredFingerprint:
    """A fingerprint together with the place whose value it is: secret, key/field and version."""

    fingerprint: Fingerprint
    secret: Ref
    key: str
    version: int | None = None
    current: bool = True


@dataclass(frozen=True, slots=True)
class Observation:
    """
    What one complete look at one source saw; it replaces all that the source said before.

    `source` names the source ("kubernetes/prod", "vault/main/kv", "manifests/prod"). Scopes in
    `gaps` were not readable: what was known of a source with `complete=False` is kept.
    """

    source: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    gaps: tuple[Gap, ...] = ()
    fingerprints: tuple[StoredFingerprint, ...] = ()
    complete: bool = True


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the change feed; `revision` grows by one with each."""

    revision: int
    kind: ChangeKind
    subject: str  # "node k8s://…" or "edge k8s://… -consumes-> k8s://…"
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Match:
    """
    A leaked value recognised: where it is stored, in which form and version.

    `newest` is the current version there; `replaced` when this one ceased to be it (ISO 8601);
    `environment` that of its place. Empty or None where it is not known.
    """

    secret: Ref
    key: str
    version: int | None
    current: bool
    form: str
    certainty: str = field(default="exact")  # "exact" or "derived"
    newest: int | None = None
    replaced: str = ""
    environment: str = ""


def merge_nodes(said: Sequence[Node]) -> Node:
    """
    Merge what several sources say of one node; `said` in the order of precedence.

    Who saw the thing itself overrules who only saw it referred to (`exists` False); `keys` add up
    among those who saw it; of other attributes the first one that is set counts.
    """
    if len(said) == 1:
        return said[0]
    saw = [node for node in said if node.attributes.get("exists") is not False]
    attributes: dict[str, AttributeValue] = {}
    for node in [*saw, *(node for node in said if node not in saw)]:
        for name, value in node.attributes.items():
            if attributes.get(name) is None:
                attributes[name] = value
    keys = [key for node in saw or said for key in _keys(node)]
    if keys:
        attributes["keys"] = tuple(dict.fromkeys(keys))
    if saw and "exists" in attributes:
        attributes["exists"] = True
    return Node(said[0].ref, (saw or said)[0].kind, attributes)


def _keys(node: Node) -> tuple[str, ...]:
    keys = node.attributes.get("keys")
    return keys if isinstance(keys, tuple) else ()
