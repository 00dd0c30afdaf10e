"""
From objects that carry a pod template to the graph: who consumes which Secret, and runs as whom.

A workload is the topmost object that a person would restart: a Deployment and not its
ReplicaSets, a CronJob and not its Jobs. Its pods are folded into it; but a running pod may still
hold what its template no longer says, or an ephemeral container may have added something: such
uses stay, as edges of the workload with `field` "pod". Idle workloads count: edges come from
templates, not from what happens to run. Pure; `inventory.py` feeds it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from graph import refs
from graph.fields import (
    Object,
    entries,
    flag,
    group_of,
    mapping,
    name_of,
    namespace_of,
    number,
    pairs,
    text,
)
from graph.gathered import Gathered
from graph.kubernetes.references import (
    CARRIERS,
    CRON_KINDS,
    PodTemplate,
    Reference,
    inherited_pull_secrets,
    pod_references,
    service_account_of,
    template_of,
)
from graph.kubernetes.reload import Reloaders, pick_up, reloaders_of
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.owners import owner_of
from graph.refs import Ref

Key = tuple[str, str, str]  # namespace, kind, name

_SCALED = frozenset(
    {
        "Deployment",
        "StatefulSet",
        "ReplicaSet",
        "ReplicationController",
        "Rollout",
        "DeploymentConfig",
    }
)


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """What a look at the Secret itself adds to how it is followed."""

    immutable: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Carrier:
    """What is kept of one object with a pod template, so that the object itself can go."""

    key: Key
    uses: tuple[Reference, ...]
    account: str
    controller: Key | None
    reloaders: Reloaders
    owner: Ref | None
    attributes: Mapping[str, AttributeValue]
    finished: bool
    unread: tuple[str, ...]  # other places that values come from, which nothing here follows
    template: str = ""  # Argo: the Deployment whose template is used ("workloadRef")


def carrier_of(obj: Object, namespace: str = "default") -> Carrier | None:
    """
    Reduce an object to what the graph needs; None where it carries no pod template.

    `namespace` is where it lies if it does not say so itself, as in most manifests.
    """
    template = template_of(obj)
    if template is None or not name_of(obj):
        return None
    kind = text(obj, "kind")
    home = namespace_of(obj) or namespace
    annotations = {**template.annotations, **pairs(obj, "metadata", "annotations")}
    reloaders = reloaders_of(kind, annotations)
    finished = _finished(obj, kind)
    account = service_account_of(template.spec)
    return Carrier(
        key=(home, kind, name_of(obj)),
        uses=tuple(pod_references(template.spec, template.prefix)),
        account=account,
        controller=_controller(obj, home),
        reloaders=reloaders,
        owner=owner_of(obj),
        attributes=_attributes(obj, kind, account, reloaders, finished=finished),
        finished=finished,
        unread=tuple(_unread(template)),
        template=text(obj, "spec", "workloadRef", "name") if kind == "Rollout" else "",
    )


def connect_carriers(
    gathered: Gathered,
    carriers: Iterable[Carrier],
    *,
    accounts: Mapping[tuple[str, str], Object],
    secrets: Mapping[tuple[str, str], SecretFacts],
) -> None:
    """Add the workloads, their uses of Secrets and the accounts they run as."""
    index: dict[Key, Carrier] = {}
    for carrier in carriers:
        known = index.get(carrier.key)
        # Two manifests of one workload (a base and its overlay): it may be made from either.
        index[carrier.key] = (
            replace(carrier, uses=(*known.uses, *carrier.uses)) if known else carrier
        )
    tops = {key: _top(carrier, index) for key, carrier in index.items()}
    wholes = {
        key: _whole(carrier, index, accounts) for key, carrier in index.items() if tops[key] == key
    }
    unread: dict[str, list[Ref]] = {}
    for carrier in index.values():
        top = tops[carrier.key]
        if top == carrier.key:
            whole = wholes[top]
            ref = _define(gathered, whole)
            _consume(gathered, ref, whole, whole.uses, secrets)
            for what in carrier.unread:
                unread.setdefault(what, []).append(ref)
        elif carrier.key[1] == "Pod" and not carrier.finished:
            _keep_what_only_the_pod_uses(gathered, carrier, top, wholes.get(top), secrets)
    for what, users in unread.items():
        gathered.miss(
            what,
            f"{len(users)} workload(s), such as {users[0]}, take values this way, which is not "
            "followed yet.",
            do_now="Treat them as possible consumers of the secrets that they can read.",
        )


def _define(gathered: Gathered, carrier: Carrier) -> Ref:
    namespace, kind, name = carrier.key
    ref = refs.k8s(gathered.cluster, namespace, kind, name)
    gathered.define(ref, NodeKind.WORKLOAD, **carrier.attributes)
    gathered.place(ref, namespace)
    account = refs.k8s(gathered.cluster, namespace, "ServiceAccount", carrier.account)
    gathered.refer(account, NodeKind.SUBJECT)
    gathered.connect(ref, account, EdgeKind.RUNS_AS)
    gathered.own(ref, carrier.owner)
    return ref


def _keep_what_only_the_pod_uses(
    gathered: Gathered,
    pod: Carrier,
    top: Key,
    owner: Carrier | None,
    secrets: Mapping[tuple[str, str], SecretFacts],
) -> None:
    said = frozenset(_same(use) for use in owner.uses) if owner else frozenset()
    extra = tuple(replace(use, field="pod") for use in pod.uses if _same(use) not in said)
    ref = refs.k8s(gathered.cluster, *top)
    if owner is None:
        gathered.refer(ref, NodeKind.WORKLOAD)
        gathered.place(ref, top[0])
    _consume(gathered, ref, owner or replace(pod, key=top), extra, secrets)


def _consume(
    gathered: Gathered,
    ref: Ref,
    carrier: Carrier,
    uses: Iterable[Reference],
    secrets: Mapping[tuple[str, str], SecretFacts],
) -> None:
    namespace, kind, _ = carrier.key
    for use in uses:
        facts = secrets.get((namespace, use.name), SecretFacts())
        follows = pick_up(
            use,
            kind,
            reloaders=carrier.reloaders,
            secret_annotations=facts.annotations,
            immutable=facts.immutable,
            finished=carrier.finished,
        )
        gathered.connect(
            ref,
            gathered.refer_secret(namespace, use.name),
            EdgeKind.CONSUMES,
            how=use.how,
            container=use.container,
            key=use.key,
            field=use.field,
            optional=use.optional,
            picks_up=str(follows.picks_up),
            reason=follows.reason,
            by_itself=follows.by_itself,
        )


def _same(use: Reference) -> object:
    return (use.name, use.how, use.container, use.key)


def _whole(
    carrier: Carrier,
    index: Mapping[Key, Carrier],
    accounts: Mapping[tuple[str, str], Object],
) -> Carrier:
    """Add what a template does not say: pull secrets of the account, a borrowed template."""
    namespace = carrier.key[0]
    lender = index.get((namespace, "Deployment", carrier.template))
    if carrier.template and lender is not None:
        carrier = replace(carrier, uses=lender.uses, account=lender.account)
    if any(use.how == "imagePull" for use in carrier.uses):
        return carrier
    pulls = inherited_pull_secrets({}, accounts.get((namespace, carrier.account)))
    return replace(carrier, uses=(*carrier.uses, *pulls))


def _top(carrier: Carrier, index: Mapping[Key, Carrier]) -> Key:
    """Walk up the controllers; stop at the last one that is a workload."""
    seen = {carrier.key}
    current = carrier
    while (above := current.controller) is not None and above not in seen:
        seen.add(above)
        found = index.get(above)
        if found is None:
            # A pod of something unknown (a Workflow, a TaskRun) is that thing's; but a
            # StatefulSet that an operator made is itself what one restarts.
            named = above[1] in CARRIERS or current.key[1] == "Pod"
            return above if named and above[1] != "Node" else current.key
        current = found
    return current.key


def _controller(obj: Object, namespace: str) -> Key | None:
    for owner in entries(obj, "metadata", "ownerReferences"):
        if flag(owner, "controller") and text(owner, "kind") and text(owner, "name"):
            return (namespace, text(owner, "kind"), text(owner, "name"))
    return None


def _finished(obj: Object, kind: str) -> bool:
    if kind == "Pod":
        return text(obj, "status", "phase") in {"Succeeded", "Failed"}
    if kind == "Job":
        return any(
            text(condition, "type") in {"Complete", "Failed"} and condition_met(condition)
            for condition in entries(obj, "status", "conditions")
        )
    return False


def condition_met(condition: Object) -> bool:
    """Is a condition of an object's status met? Kubernetes writes "True"."""
    return text(condition, "status") == "True"


def _attributes(
    obj: Object, kind: str, account: str, reloaders: Reloaders, *, finished: bool
) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {"service_account": account}
    spec = mapping(obj, "spec")
    if kind in _SCALED:
        replicas = number(spec, "replicas")
        found["replicas"] = 1 if replicas is None else replicas
    elif kind == "DaemonSet":
        found["replicas"] = number(obj, "status", "desiredNumberScheduled")
    elif kind == "Pod":
        found["replicas"] = 1
    if kind in CRON_KINDS:
        found["schedule"] = text(spec, "schedule")
    if kind in CRON_KINDS or kind == "Job":
        found["suspended"] = flag(spec, "suspend")
    if reloaders.name:
        found["reloader"] = reloaders.name
    strategy = text(spec, "updateStrategy", "type") or text(spec, "strategy", "type")
    if strategy:
        found["strategy"] = strategy
    if finished:
        found["finished"] = True
    if group_of(obj):
        found["group"] = group_of(obj)
    return found


def _unread(template: PodTemplate) -> Iterator[str]:
    """Name the ways by which pods get values without a Kubernetes Secret."""
    drivers = {text(volume, "csi", "driver") for volume in entries(template.spec, "volumes")}
    if "secrets-store.csi.k8s.io" in drivers:
        yield "volumes of the Secrets Store CSI driver"
    if "csi.vso.hashicorp.com" in drivers:
        yield "volumes of the Vault Secrets Operator"
    if template.annotations.get("vault.hashicorp.com/agent-inject") == "true":
        yield "annotations of the Vault Agent injector"
    if any(
        text(variable, "value").startswith(("vault:", ">>vault:"))
        for group in ("initContainers", "containers")
        for container in entries(template.spec, group)
        for variable in entries(container, "env")
    ):
        yield "vault: references of Bank-Vaults"
