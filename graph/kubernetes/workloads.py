"""
From objects that carry a pod template to the graph: who consumes which Secret, and runs as whom.

A workload is the topmost object that a person would restart: a Deployment and not its
ReplicaSets, a CronJob and not its Jobs. Its pods are folded into it; but a running pod may still
hold what its template no longer says, or an ephemeral container may have added something: such
uses stay, as edges of the workload with `field` "pod". Idle workloads count: edges come from
templates, not from what happens to run. Pure; `inventory.py` feeds it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    Claim,
    PodTemplate,
    Reference,
    claims_of,
    inherited_pull_secrets,
    malformed,
    pod_references,
    service_account_of,
    template_of,
)
from graph.kubernetes.reload import (
    ROLLBACK,
    Reloaders,
    held_back,
    named_by,
    pick_up,
    reloaders_of,
)
from graph.kubernetes.uses import Vaults, connect_use
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.owners import Said, owners_said
from graph.refs import Ref

Key = tuple[str, str, str]  # namespace, kind, name
PodReader = Callable[[PodTemplate], Iterator[Reference]]
Volumes = Mapping[tuple[str, str], tuple[Reference, ...]]  # by namespace and name of the claim

_REVISIONS = frozenset({"ReplicaSet", "ControllerRevision"})
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


# How a workload says which component of the software catalogue (Backstage) it is.
COMPONENT_LABEL = "backstage.io/kubernetes-id"


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
    owners: tuple[Said, ...]
    attributes: Mapping[str, AttributeValue]
    finished: bool
    claims: tuple[Claim, ...] = ()
    malformed: tuple[str, ...] = ()  # fields whose shape nobody can read
    labels: Mapping[str, str] = field(default_factory=dict)  # of its pods
    held: str = ""  # why a changed template makes no new pods
    template: str = ""  # Argo: the Deployment whose template is used ("workloadRef")


@dataclass(frozen=True, slots=True)
class ServiceOwner:
    """A Service that names an owner, and which pods it sends to."""

    namespace: str
    selector: Mapping[str, str]
    said: tuple[Said, ...]


def service_owner(obj: Object, namespace: str) -> tuple[ServiceOwner, ...]:
    """Keep what a Service says of the workloads behind it, if it says anything."""
    name, selector = name_of(obj), pairs(obj, "spec", "selector")
    said = tuple(Said(one.owner, f"{one.how} of Service {name}") for one in owners_said(obj))
    if not said or not selector:
        return ()
    return (ServiceOwner(namespace_of(obj) or namespace, selector, said),)


def carrier_of(
    obj: Object, namespace: str = "default", *, readers: Iterable[PodReader] = ()
) -> Carrier | None:
    """
    Reduce an object to what the graph needs; None where it carries no pod template.

    `namespace` is where it lies if it does not say so itself, as in most manifests; `readers` find
    what tools add to a pod by annotations, variables or volumes of their own.
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
    added = (use for reader in readers for use in reader(template))
    uses = (*pod_references(template.spec, template.prefix), *added)
    known = {use.name for use in uses}
    return Carrier(
        key=(home, kind, name_of(obj)),
        uses=(*uses, *(use for use in named_by(kind, annotations) if use.name not in known)),
        account=account,
        controller=_controller(obj, home),
        reloaders=reloaders,
        owners=tuple(owners_said(obj)),
        attributes={
            **_attributes(obj, kind, account, reloaders, finished=finished),
            **_component(obj, template),
        },
        finished=finished,
        claims=tuple(claims_of(obj, template)),
        malformed=tuple(malformed(template.spec)),
        labels=pairs(template.metadata, "labels"),
        held=held_back(obj),
        template=text(obj, "spec", "workloadRef", "name") if kind == "Rollout" else "",
    )


def connect_carriers(
    gathered: Gathered,
    carriers: Iterable[Carrier],
    *,
    accounts: Mapping[tuple[str, str], Object],
    secrets: Mapping[tuple[str, str], SecretFacts],
    volumes: Volumes | None = None,
    vaults: Vaults | None = None,
    services: Iterable[ServiceOwner] = (),
) -> None:
    """Add the workloads, their uses of Secrets and the accounts they run as."""
    index: dict[Key, Carrier] = {}
    into = _Into(gathered, secrets, vaults or {})
    sending = _by_namespace(services)
    for carrier in carriers:
        if volumes and carrier.claims:
            mounted = tuple(_of_volumes(carrier, volumes))
            carrier = replace(carrier, uses=(*carrier.uses, *mounted))  # noqa: PLW2901
        known = index.get(carrier.key)
        # Two manifests of one workload (a base and its overlay): it may be made from either.
        index[carrier.key] = (
            replace(carrier, uses=(*known.uses, *carrier.uses)) if known else carrier
        )
    tops = {key: _top(carrier, index) for key, carrier in index.items()}
    wholes = {
        key: _whole(carrier, index, accounts) for key, carrier in index.items() if tops[key] == key
    }
    odd: list[Ref] = []
    for carrier in index.values():
        top = tops[carrier.key]
        if carrier.malformed:
            odd.append(refs.k8s(gathered.cluster, *carrier.key))
        if carrier.key[1] in _REVISIONS and top != carrier.key:
            _keep_what_a_rollback_needs(into, carrier, top, wholes.get(top))
        elif top == carrier.key:
            whole = wholes[top]
            ref = _define(gathered, whole)
            _consume(into, ref, whole, whole.uses)
            _own_by_services(gathered, ref, whole, sending)
        elif carrier.key[1] == "Pod" and not carrier.finished:
            _keep_what_only_the_pod_uses(into, carrier, top, wholes.get(top))
    if odd:
        fields = ", ".join(sorted({name for one in index.values() for name in one.malformed}))
        gathered.miss(
            f"pod specs of {odd[0]}" + (f" and {len(odd) - 1} more" if len(odd) > 1 else ""),
            f"Fields are not of the type that Kubernetes has ({fields}); they were passed over.",
            do_now="Correct the object.",
        )


def _by_namespace(services: Iterable[ServiceOwner]) -> dict[str, list[ServiceOwner]]:
    found: dict[str, list[ServiceOwner]] = {}
    for service in services:
        found.setdefault(service.namespace, []).append(service)
    return found


def _own_by_services(
    gathered: Gathered, ref: Ref, carrier: Carrier, sending: Mapping[str, list[ServiceOwner]]
) -> None:
    for service in sending.get(carrier.key[0], ()):
        if service.selector.items() <= carrier.labels.items():
            gathered.own(ref, service.said)


@dataclass(frozen=True, slots=True)
class _Into:
    gathered: Gathered
    secrets: Mapping[tuple[str, str], SecretFacts]
    vaults: Vaults


def _of_volumes(carrier: Carrier, volumes: Volumes) -> Iterator[Reference]:
    """Follow claims to the Secrets that their volumes name, where those are known."""
    namespace = carrier.key[0]
    for claim in carrier.claims:
        if claim.replicas:
            made = re.compile(rf"{re.escape(claim.name)}-\d+")
            names = [
                name for at, name in volumes if at == namespace and made.fullmatch(name) is not None
            ]
        else:
            names = [claim.name]
        for name in names:
            for use in volumes.get((namespace, name), ()):
                for container in claim.containers:
                    field = f"{claim.field} -> {use.field}"
                    yield replace(use, container=container, field=field)


def _define(gathered: Gathered, carrier: Carrier) -> Ref:
    namespace, kind, name = carrier.key
    ref = refs.k8s(gathered.cluster, namespace, kind, name)
    gathered.define(ref, NodeKind.WORKLOAD, **carrier.attributes)
    gathered.place(ref, namespace)
    account = refs.k8s(gathered.cluster, namespace, "ServiceAccount", carrier.account)
    gathered.refer(account, NodeKind.SUBJECT)
    gathered.connect(ref, account, EdgeKind.RUNS_AS)
    gathered.own(ref, carrier.owners)
    return ref


def _keep_what_only_the_pod_uses(
    into: _Into, pod: Carrier, top: Key, owner: Carrier | None
) -> None:
    said = frozenset(_same(use) for use in owner.uses) if owner else frozenset()
    extra = tuple(replace(use, field="pod") for use in pod.uses if _same(use) not in said)
    ref = refs.k8s(into.gathered.cluster, *top)
    if owner is None:
        into.gathered.refer(ref, NodeKind.WORKLOAD)
        into.gathered.place(ref, top[0])
    _consume(into, ref, owner or replace(pod, key=top), extra)


def _keep_what_a_rollback_needs(
    into: _Into, revision: Carrier, top: Key, owner: Carrier | None
) -> None:
    """Add what only an old ReplicaSet or ControllerRevision names: nothing runs it, as yet."""
    if owner is None:
        return
    said = frozenset(_same(use) for use in owner.uses)
    field = f"rollback to {revision.key[1]}/{revision.key[2]}"
    extra = (
        replace(use, field=field, follows=ROLLBACK)
        for use in revision.uses
        if _same(use) not in said
    )
    _consume(into, refs.k8s(into.gathered.cluster, *top), owner, extra)


def _consume(into: _Into, ref: Ref, carrier: Carrier, uses: Iterable[Reference]) -> None:
    namespace, kind, _ = carrier.key
    for use in uses:
        facts = into.secrets.get((use.namespace or namespace, use.name), SecretFacts())
        if use.kind != "Secret":
            facts = SecretFacts()
        follows = pick_up(
            use,
            kind,
            reloaders=carrier.reloaders,
            secret_annotations=facts.annotations,
            immutable=facts.immutable,
            finished=carrier.finished,
            held=carrier.held,
        )
        connect_use(into.gathered, ref, kind, use, namespace, vaults=into.vaults, follows=follows)


def _same(use: Reference) -> object:
    return (use.kind, use.namespace, use.name, use.how, use.container, use.key)


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


def _component(obj: Object, template: PodTemplate) -> dict[str, AttributeValue]:
    labels = {**pairs(template.metadata, "labels"), **pairs(obj, "metadata", "labels")}
    component = labels.get(COMPONENT_LABEL, "")
    return {"component": component} if component else {}


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
