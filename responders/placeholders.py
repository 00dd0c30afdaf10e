"""
What `{secret}`, `{issuer}`, `{copies}` … in a playbook stand for in one incident. Pure.

A fact that is not known is absent: a setting that is nothing but this placeholder is then left
out, so that the step's own default counts, or its schema says what is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graph.kubernetes.references import CARRIERS
from graph.model import Match
from graph.queries.blast_radius import BlastRadius
from graph.queries.consumers import Consumer
from graph.refs import parse, with_key
from responders.evidence import FOLLOWS
from responders.forecast import kind_of
from responders.playbook import PLACEHOLDER, Setting, StoreKind

_ENGINES: Mapping[str, StoreKind] = {
    "static-creds": "vault_database_static",
    "creds": "vault_database_dynamic",
}

Value = str | int | list[str]
Values = dict[str, Value]

BOUND = ("account", "bound_to", "uid")  # of a leaked token of a service account


@dataclass(frozen=True, slots=True)
class LeakFacts:
    """
    What is known of the leaked credential beside its blast radius.

    `current_versions` maps secrets to the version that is current now (None: no versions).
    `playbook` and `metadata` ("playbook_role", …) are what the secret says about itself.
    """

    incident_id: str
    detector: str
    credential: str
    store_kind: StoreKind
    matches: tuple[Match, ...] = ()
    issuer: str = ""
    accessor: str = ""
    entity: str = ""
    bound: Mapping[str, str] = field(default_factory=dict)  # by the names of `BOUND`
    where: str = ""
    named_ref: str = ""
    current_versions: Mapping[str, int | None] = field(default_factory=dict)
    playbook: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def stale(self) -> bool:
        """Whether every place that is known to hold the value holds a newer one now."""
        return bool(self.matches) and not any(match.current for match in self.matches)


def values_for(
    facts: LeakFacts,
    radius: BlastRadius,
    *,
    workloads: Sequence[str],
    at: tuple[str, str] | None = None,
) -> Values:
    """Collect what is known; `at` is the (secret, key) in question, else the first one."""
    secret, key = at or first_home(radius)
    found: dict[str, Value | None] = {
        "incident": facts.incident_id,
        "detector": facts.detector,
        "credential": facts.credential,
        "issuer": facts.issuer or None,
        "store": store_name(secret or facts.issuer) or None,
        "accessor": facts.accessor or None,
        "entity": facts.entity or facts.metadata.get("playbook_entity"),
        **facts.bound,
        "secret": secret or None,
        "field": key or None,
        "leaked_version": _leaked_version(facts, secret, key),
        "current_version": facts.current_versions.get(secret),
        "workloads": list(workloads),
        "watched_workloads": [
            str(consumer.workload)
            for consumer in radius.consumers
            if not _is_judged_by_copies(consumer)
        ],
        "consumers": [str(consumer.workload) for consumer in radius.consumers],
        "copies": [
            str(with_key(copy.secret, copy.key)) for copy in radius.copies if copy.via is not None
        ],
        "where": facts.where or None,
    }
    known = {name: value for name, value in found.items() if value is not None}
    return {**facts.metadata, **known}


def _is_judged_by_copies(consumer: Consumer) -> bool:
    """Whether it has no pods to look at and follows its copy: an Ingress, a Certificate."""
    return kind_of(consumer) not in CARRIERS and consumer.picks_up in FOLLOWS


def first_home(radius: BlastRadius) -> tuple[str, str]:
    """
    Name the (secret, key) to begin with: in a store rather than in a cluster; ("", "") if none.

    Where a sync is not recognised as one, a copy stands beside its origin as if it were another.
    """
    homes = sorted(radius.secrets, key=lambda place: place[0].startswith("k8s://"))
    return next(((str(secret), key) for secret, key in homes), ("", ""))


def homes(facts: LeakFacts, radius: BlastRadius) -> tuple[tuple[str, str], ...]:
    """
    Name the (secret, key) that a step is done for one by one.

    What the secret names as its target holds the value too, but has a step of its own.
    """
    target = facts.metadata.get("playbook_target")
    return tuple((str(secret), key) for secret, key in radius.secrets if secret != target)


def fill(settings: Mapping[str, Setting], values: Values) -> dict[str, object]:
    """Put the values in; a setting that is one unknown placeholder is left out."""
    filled: dict[str, object] = {}
    for name, setting in settings.items():
        whole = PLACEHOLDER.fullmatch(setting) if isinstance(setting, str) else None
        if whole is None:
            filled[name] = _fill(setting, values)
        elif whole[1] in values:
            filled[name] = values[whole[1]]
    return filled


def fill_text(text: str, values: Values) -> str:
    """Put the values into a sentence; "unknown" stands for what is not known."""
    return PLACEHOLDER.sub(lambda found: _text(values.get(found[1], "unknown")), text)


def store_name(ref: str) -> str:
    """Return the configured name of the Vault or OpenBao that `ref` lies in; "" for others."""
    bare, _, rest = ref.partition("://")
    return rest.partition("/")[0] if bare == "vault" else ""


def store_kind_of(ref: str, kind: str = "") -> StoreKind:
    """
    Tell in what kind of store a secret lies; `kind` is what its collector called it ("kv-v1").

    What no collector saw in a KV mount, but a sync reads by the paths of a database engine, is one.
    """
    if not ref:
        return "unknown"
    parts = parse(ref)
    if kind == "kv-v1":  # it keeps no versions: the steps of version 2 would find nothing
        return "unknown"
    if parts.scheme == "vault":
        engine = parts.path[2] if len(parts.path) == 4 and not kind else ""  # noqa: PLR2004 - vault://S/M/creds/R
        return _ENGINES.get(engine, "vault_kv")
    if parts.scheme == "aws" and "secretsmanager" in parts.path[2:3]:
        return "aws_secrets_manager"
    return "kubernetes" if parts.scheme == "k8s" else "unknown"


def _leaked_version(facts: LeakFacts, secret: str, key: str) -> int | None:
    for match in facts.matches:
        if str(match.secret) == secret and match.key in {key, ""}:
            return match.version
    return facts.current_versions.get(secret) if facts.named_ref else None


def _fill(setting: Setting, values: Values) -> object:
    if isinstance(setting, str):
        return fill_text(setting, values).replace("{{", "{").replace("}}", "}")
    if isinstance(setting, list):
        return [_fill(each, values) for each in setting]
    if isinstance(setting, dict):
        return {name: _fill(each, values) for name, each in setting.items()}
    return setting


def _text(value: Value) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
