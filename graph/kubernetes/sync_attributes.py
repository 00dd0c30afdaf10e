"""
What the graph says of the syncs and stores of External Secrets: how long a value takes. Pure.

A rotation in the store arrives after `refreshInterval`, or never by itself: see `interval_of`.
"""

from graph.fields import Object, entries, flag, mapping, name_of, text, texts
from graph.kubernetes.durations import seconds
from graph.kubernetes.remotes import Remote
from graph.kubernetes.workloads import condition_met
from graph.model import AttributeValue

_HOUR = 3600
# What is made in each selected namespace, and how the fields begin that say it.
EXPANDED = {
    "ClusterExternalSecret": ("ExternalSecret", "externalSecret"),
    "ClusterPushSecret": ("PushSecret", "pushSecret"),
}


def interval_of(spec: Object) -> int:
    """Seconds until a new value arrives by itself; 0: it does not."""
    policy = text(spec, "refreshPolicy") or "Periodic"
    if policy != "Periodic" or flag(spec, "target", "immutable"):
        return 0
    said = text(spec, "refreshInterval")
    found = seconds(said) if said else _HOUR
    return _HOUR if found is None else found


def sync_attributes(obj: Object) -> dict[str, AttributeValue]:
    _, prefix = EXPANDED.get(text(obj, "kind"), ("", ""))
    spec = mapping(obj, "spec", f"{prefix}Spec") or mapping(obj, "spec")
    store = mapping(spec, "secretStoreRef")
    found: dict[str, AttributeValue] = {
        "refresh_interval": interval_of(spec),
        "refresh_policy": text(spec, "refreshPolicy") or "Periodic",
    }
    if name := text(store, "name"):
        found["store"] = f"{text(store, 'kind') or 'SecretStore'}/{name}"
    if not text(obj, "kind").endswith("PushSecret"):
        found["target"] = text(spec, "target", "name") or name_of(obj)
        found["creation_policy"] = text(spec, "target", "creationPolicy") or "Owner"
        found["deletion_policy"] = text(spec, "target", "deletionPolicy") or "Retain"
        found["templated"] = bool(mapping(spec, "target", "template"))
    if flag(spec, "target", "immutable"):
        found["immutable"] = True
    conditions = list(entries(obj, "status", "conditions"))
    if conditions:
        found["ready"] = any(
            text(condition, "type") == "Ready" and condition_met(condition)
            for condition in conditions
        )
    return found


def store_attributes(remote: Remote) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {"provider": remote.provider}
    if remote.provider == "vault":
        found |= {"server": remote.server, "vault": remote.store, "mount": remote.mount}
    return found


def limits_of(store: Object) -> dict[str, AttributeValue]:
    """Name the only namespaces that may use a ClusterSecretStore, where it lists them."""
    conditions = list(entries(store, "spec", "conditions"))
    named = {name for one in conditions for name in texts(one, "namespaces")}
    open_ended = any({"namespaceSelector", "namespaceRegexes"} & one.keys() for one in conditions)
    return {"namespaces": tuple(sorted(named))} if named and not open_ended else {}
