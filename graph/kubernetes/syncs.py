"""
From External Secrets objects to `copies` edges: what is copied from which store into which Secret.

Facts: the operator's API types and controllers (external-secrets/external-secrets). A rotation in
the store arrives after `refreshInterval`; never by itself where the policy is CreatedOnce or
OnChange, the interval is 0, the target is immutable or the version is pinned: then the interval
of the edge is 0. A PushSecret copies the other way. Objects come one by one and in any order.
Which store a SecretStore means is in `remotes.py`. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from graph import refs
from graph.fields import (
    Object,
    entries,
    flag,
    group_of,
    mapping,
    name_of,
    namespace_of,
    pairs,
    text,
    texts,
)
from graph.gathered import Gathered
from graph.kubernetes import stores
from graph.kubernetes.logins import login_references
from graph.kubernetes.references import Reference
from graph.kubernetes.remotes import KnownVault, login_role, remote_of
from graph.kubernetes.selections import Selection, selections
from graph.kubernetes.selectors import selects
from graph.kubernetes.sync_attributes import (
    EXPANDED,
    interval_of,
    limits_of,
    store_attributes,
    sync_attributes,
)
from graph.kubernetes.uses import connect_use
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.owners import owners_said
from graph.refs import Ref

GROUP = "external-secrets.io"


class Syncs:
    """The External Secrets objects of one cluster on their way into `gathered`."""

    def __init__(
        self,
        gathered: Gathered,
        *,
        vaults: Mapping[str, KnownVault],
        namespace: str = "default",
    ) -> None:
        self._gathered = gathered
        self._vaults = vaults
        self._namespace = namespace
        self._external: dict[tuple[str, str], list[Object]] = {}
        self._expanded: list[Object] = []
        self._pushed: list[Object] = []
        self._stores: dict[tuple[str, str, str], Object] = {}
        self._labels: dict[str, Mapping[str, str]] = {}  # of namespaces
        self._secrets: dict[str, dict[str, Mapping[str, str]]] = {}  # their labels, by namespace
        self._untraced: dict[str, list[Ref]] = {}
        self._filled: dict[tuple[str, str], set[tuple[str, str, str]]] = {}  # Secret -> its stores

    def add(self, obj: Object) -> bool:
        """Take one object; False where it is none of the operator's (labels are looked at)."""
        kind, name = text(obj, "kind"), name_of(obj)
        if group_of(obj) == "" and kind in {"Namespace", "Secret"}:
            labels = pairs(obj, "metadata", "labels")
            if kind == "Namespace":
                self._labels[name] = labels
            elif labels and name:
                self._secrets.setdefault(namespace_of(obj) or self._namespace, {})[name] = labels
            return False
        if group_of(obj) != GROUP or not name:
            return False
        home = namespace_of(obj) or self._namespace
        if kind == "ExternalSecret":
            self._external.setdefault((home, name), []).append(obj)
        elif kind in EXPANDED:
            self._expanded.append(obj)
        elif kind == "PushSecret":
            self._pushed.append(obj)
        elif kind in {"SecretStore", "ClusterSecretStore"}:
            self._stores[kind, home if kind == "SecretStore" else "", name] = obj
        else:
            return False
        return True

    @property
    def needs_namespaces(self) -> bool:
        """Say whether a ClusterExternalSecret or ClusterPushSecret waits for namespaces' labels."""
        return bool(self._expanded)

    @property
    def needs_secrets(self) -> bool:
        """Say whether a PushSecret waits for labels of Secrets."""
        pushed = [(one, "spec") for one in self._pushed]
        pushed += [(one, "spec.pushSecretSpec") for one in self._expanded]
        return any(
            mapping(one, *path.split("."), "selector", "secret", "selector") for one, path in pushed
        )

    def finish(self) -> None:
        """Add everything to the graph; to be called once."""
        for cluster_wide in self._expanded:
            for namespace, single in self._expand(cluster_wide):
                if text(single, "kind") == "PushSecret":
                    self._pushed.append(single)
                else:
                    self._external.setdefault((namespace, name_of(single)), [single])
        users: dict[tuple[str, str, str], set[str]] = {}
        for (namespace, _), objects in self._external.items():
            for obj in objects:
                for key in self._external_secret(obj, namespace):
                    users.setdefault(key, set()).add(namespace)
        for obj in self._pushed:
            self._push_secret(obj)
        for key, store in self._stores.items():
            self._store(store, key, users.get(key, set()))
        for what, syncs in self._untraced.items():
            more = f" and {len(syncs) - 1} more" if len(syncs) > 1 else ""
            self._gathered.miss(f"{syncs[0]}{more}", what)

    def _expand(self, obj: Object) -> Iterator[tuple[str, Object]]:
        """Make the objects that a cluster-wide one makes, one per namespace."""
        spec = mapping(obj, "spec")
        single, prefix = EXPANDED[text(obj, "kind")]
        ref = self._sync(obj, "")
        selectors = list(entries(spec, "namespaceSelectors"))
        if "namespaceSelector" in spec:
            selectors.append(mapping(spec, "namespaceSelector"))
        wanted = {
            namespace
            for namespace, labels in self._labels.items()
            if any(selects(selector, labels) for selector in selectors)
        }
        wanted.update(texts(spec, "namespaces"), texts(obj, "status", "provisionedNamespaces"))
        if not wanted:
            self._untraced.setdefault("It selects no namespace that is known.", []).append(ref)
        for namespace in sorted(wanted):
            name = text(spec, f"{prefix}Name") or name_of(obj)
            yield (
                namespace,
                {
                    "apiVersion": text(obj, "apiVersion"),
                    "kind": single,
                    "metadata": {"name": name, "namespace": namespace},
                    "spec": mapping(spec, f"{prefix}Spec"),
                },
            )

    def _external_secret(self, obj: Object, namespace: str) -> set[tuple[str, str, str]]:
        """Add one ExternalSecret; return the stores that it reads from."""
        ref = self._sync(obj, namespace)
        spec, target = mapping(obj, "spec"), mapping(obj, "spec", "target")
        used: set[tuple[str, str, str]] = set()
        if text(target, "creationPolicy") == "None":
            return used
        name = text(target, "name") or name_of(obj)
        if kind := text(target, "manifest", "kind"):
            head = refs.k8s(self._gathered.cluster, namespace, kind, name)
            self._gathered.refer(head, NodeKind.SECRET)
            self._gathered.place(head, namespace)
        else:
            head = self._gathered.refer_secret(namespace, name)
        if flag(target, "immutable"):
            self._gathered.note(head, immutable=True)
        for selection in selections(spec):
            store = mapping(selection.entry, "sourceRef", "storeRef")
            key = _store_key(store or mapping(spec, "secretStoreRef"), namespace)
            used.add(key)
            self._filled.setdefault((namespace, name), set()).add(key)
            if selection.problem:
                self._untraced.setdefault(selection.problem, []).append(ref)
                continue
            if selection.pattern:
                self._find(selection, key, ref, head, spec)
                continue
            tail = self._tail(key, selection.remote, ref)
            if tail:
                store_ref = refs.k8s(self._gathered.cluster, key[1], key[0], key[2])
                stores.reads(self._gathered, store_ref, tail)
            for attributes in selection.edges(target) if tail else ():
                waits = 0 if "version" in attributes else interval_of(spec)
                self._gathered.connect(
                    tail or head,
                    head,
                    EdgeKind.COPIES,
                    sync=ref,
                    refresh_interval=waits,
                    **attributes,
                )
        self._not_from_stores(ref, spec, namespace, head)
        return used

    def _find(
        self, selection: Selection, key: tuple[str, str, str], ref: Ref, head: Ref, spec: Object
    ) -> None:
        """Add the rule by which secrets are found: an edge from the place where they lie."""
        store = self._stores.get(key)
        place = remote_of(store, self._vaults).place(self._gathered.cluster) if store else None
        if place is None:
            what = f"What it finds in the {key[0]} “{key[2]}” is known only to that store."
            self._untraced.setdefault(what, []).append(ref)
            return
        home, inside = place
        self._gathered.refer(
            home, NodeKind.STORE if home.startswith("vault:") else NodeKind.NAMESPACE
        )
        below = f"{selection.remote}/" if selection.remote else ""
        renamed = selection.renames or bool(mapping(spec, "target", "template"))
        self._gathered.connect(
            home,
            head,
            EdgeKind.COPIES,
            sync=ref,
            key="",
            from_key="",
            find=selection.pattern,
            inside=inside,
            below=below,
            refresh_interval=interval_of(spec),
            **({"widen": True} if renamed else {}),
        )

    def _not_from_stores(self, ref: Ref, spec: Object, namespace: str, head: Ref) -> None:
        """Add what generators make for an ExternalSecret, and Secrets that hold its template."""
        for entry in entries(spec, "dataFrom"):
            generator = self._generator(mapping(entry, "sourceRef", "generatorRef"), namespace)
            if generator is not None:
                self._gathered.connect(
                    generator,
                    head,
                    EdgeKind.COPIES,
                    sync=ref,
                    key="",
                    from_key="",
                    refresh_interval=interval_of(spec),
                )
        for index, source in enumerate(entries(spec, "target", "template", "templateFrom")):
            if secret := text(source, "secret", "name"):
                field = f"spec.target.template.templateFrom[{index}].secret"
                use = Reference(secret, "template", field)
                connect_use(self._gathered, ref, "ExternalSecret", use, namespace)

    def _generator(self, generator: Object, namespace: str) -> Ref | None:
        """Name a generator, which stands for the credential that it makes; see its tool."""
        kind, name = text(generator, "kind"), text(generator, "name")
        if not kind or not name:
            return None
        home = "" if kind == "ClusterGenerator" else namespace
        ref = refs.k8s(self._gathered.cluster, home, kind, name)
        self._gathered.refer(ref, NodeKind.SYNC)
        self._gathered.place(ref, home)
        return ref

    def _tail(self, store: tuple[str, str, str], key: str, sync: Ref) -> Ref | None:
        """Name what is copied; remember why not where it has no name."""
        found = self._stores.get(store)
        if found is None:
            what = f"The {store[0]} “{store[2]}”, which it names, was not seen."
            self._untraced.setdefault(what, []).append(sync)
            return None
        remote = remote_of(found, self._vaults)
        tail = remote.ref(self._gathered.cluster, key)
        if tail is None:
            if remote.provider != "fake":  # its values are written in the store itself
                what = f"What it copies from or to the provider “{remote.provider}” is not traced."
                self._untraced.setdefault(what, []).append(sync)
            return None
        if tail.startswith("k8s:"):
            return self._gathered.refer_secret(remote.namespace, key)
        self._gathered.refer(tail, NodeKind.SECRET)
        return tail

    def _push_secret(self, obj: Object) -> None:
        namespace, spec = namespace_of(obj) or self._namespace, mapping(obj, "spec")
        ref = self._sync(obj, namespace)
        tails = self._pushed_by(spec, namespace)
        if not tails:
            what = "It pushes Secrets chosen by label, and none with such labels could be read."
            self._untraced.setdefault(what, []).append(ref)
        pushed = [
            (mapping(entry, "match", "remoteRef"), text(entry, "match", "secretKey"), False)
            for entry in entries(spec, "data")
        ]
        pushed += [(entry, "", True) for entry in entries(spec, "dataTo")]
        for store in entries(spec, "secretStoreRefs"):
            for remote, key, widen in pushed:
                head = self._tail(_store_key(store, namespace), text(remote, "remoteKey"), ref)
                if head is None:
                    continue
                extra: dict[str, AttributeValue] = {"widen": True} if widen else {}
                for tail in tails:
                    self._gathered.connect(
                        tail,
                        head,
                        EdgeKind.COPIES,
                        sync=ref,
                        key=text(remote, "property"),
                        from_key=key,
                        refresh_interval=interval_of(spec),
                        **extra,
                    )

    def _pushed_by(self, spec: Object, namespace: str) -> list[Ref]:
        """Name what a PushSecret takes: a Secret, those with its labels, or what is generated."""
        chosen = mapping(spec, "selector", "secret")
        names = [text(chosen, "name")] if text(chosen, "name") else []
        if selector := mapping(chosen, "selector"):
            labelled = self._secrets.get(namespace, {})
            names += sorted(name for name, labels in labelled.items() if selects(selector, labels))
        if names:
            return [self._gathered.refer_secret(namespace, name) for name in dict.fromkeys(names)]
        generator = self._generator(mapping(spec, "selector", "generatorRef"), namespace)
        return [] if generator is None else [generator]

    def _store(self, obj: Object, key: tuple[str, str, str], users: set[str]) -> None:
        """Add a store and the Secrets it logs in with: the ones with the largest blast radius."""
        kind, namespace, name = key
        remote = remote_of(obj, self._vaults)
        ref = refs.k8s(self._gathered.cluster, namespace, kind, name)
        self._gathered.define(ref, NodeKind.STORE, **store_attributes(remote), **limits_of(obj))
        self._gathered.place(ref, namespace)
        if role := login_role(obj, remote):
            stores.logs_in(self._gathered, ref, role)
        self._gathered.own(ref, owners_said(obj))
        if remote.provider == "vault" and not remote.known:
            self._gathered.miss(
                f"{kind} {name}",
                f"It reads from {remote.server}, which is the address of no configured vault.",
                do_now="If it is one of them under another name, add this address to its settings.",
            )
        for use in login_references(mapping(obj, "spec", "provider"), "spec.provider"):
            # A SecretStore's own namespace holds, whatever its selectors say.
            places = {namespace} if namespace else ({use.namespace} if use.namespace else users)
            for place in sorted(places):
                connect_use(self._gathered, ref, kind, replace(use, namespace=""), place)
                if key in self._filled.get((place, use.name), ()):
                    self._gathered.miss(
                        f"{kind} {name}",
                        f"It logs in with {place}/{use.name}, which it fills itself: a wrong value "
                        "there locks it out.",
                        do_now="Keep the login of a store outside of it.",
                    )

    def _sync(self, obj: Object, namespace: str) -> Ref:
        kind = text(obj, "kind")
        ref = refs.k8s(self._gathered.cluster, namespace, kind, name_of(obj))
        self._gathered.define(ref, NodeKind.SYNC, **sync_attributes(obj))
        self._gathered.place(ref, namespace)
        self._gathered.own(ref, owners_said(obj))
        return ref


def _store_key(store: Object, namespace: str) -> tuple[str, str, str]:
    kind = text(store, "kind") or "SecretStore"
    return (kind, namespace if kind == "SecretStore" else "", text(store, "name"))
