"""
Puts one use of a secret into the graph: finds what the reference names, and says how it follows.

A reference names a Kubernetes Secret, an object that stands for secrets elsewhere, or a path in a
Vault. Workloads and custom resources alike come through here, so that they mean the same. Pure.
"""

from collections.abc import Mapping

from graph import refs
from graph.gathered import Gathered
from graph.kubernetes.references import VAULT, PickUp, Reference
from graph.kubernetes.reload import ROLLBACK, pick_up
from graph.kubernetes.remotes import KnownVault, place_in_vault
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.refs import Ref

Vaults = Mapping[str, KnownVault]


def head_of(gathered: Gathered, use: Reference, namespace: str, vaults: Vaults) -> Ref | None:
    """Add what `use` names, in `namespace` unless it says its own; None where it has no name."""
    home = use.namespace or namespace
    if use.kind == "Secret":
        return gathered.refer_secret(home, use.name)
    if use.kind != VAULT:
        head = refs.k8s(gathered.cluster, home, use.kind, use.name)
        gathered.refer(head, NodeKind.SYNC)
        gathered.place(head, home)
        return head
    return vault_secret(
        gathered, use.name, vaults, server=use.server, vault_namespace=use.vault_namespace
    )


def vault_secret(
    gathered: Gathered,
    key: str,
    vaults: Vaults,
    *,
    server: str = "",
    vault_namespace: str = "",
    mount: str = "",
    version: str = "v2",
) -> Ref | None:
    """
    Add the secret `key` of the Vault at `server`; without `mount` the key begins with it.

    An object that names no address means the default of its operator, which is in none of its
    objects: with one configured Vault it is taken for that one, else it is a gap.
    """
    place = place_in_vault(
        key,
        vaults,
        server=server,
        vault_namespace=vault_namespace,
        mount=mount,
        version=version,
    )
    if place.ref is None:
        return None
    if not place.known:
        gathered.miss(
            f"secrets at {server or 'the default Vault of an operator'}",
            "It is the address of no configured vault."
            if server
            else "Objects that name no address read from it, and several vaults are configured."
            if vaults
            else "Objects that name no address read from it, and no vault is configured.",
            do_now="Add the vault to the settings, with this address and namespace.",
        )
    gathered.refer(place.ref, NodeKind.SECRET)
    return place.ref


def connect_use(
    gathered: Gathered,
    ref: Ref,
    kind: str,
    use: Reference,
    namespace: str,
    *,
    vaults: Vaults | None = None,
    follows: PickUp | None = None,
) -> None:
    """Add one use by `ref`; `follows` is for workloads, whose pods and annotations say more."""
    head = head_of(gathered, use, namespace, vaults or {})
    if head is None:
        return
    follows = follows or pick_up(use, kind)
    extra: dict[str, AttributeValue] = {}
    if use.inferred:
        extra["inferred"] = True
    if use.follows is ROLLBACK:
        extra["rollback"] = True
    gathered.connect(
        ref,
        head,
        EdgeKind.CONSUMES,
        how=use.how,
        container=use.container,
        key=use.key,
        field=use.field,
        optional=use.optional,
        picks_up=str(follows.picks_up),
        reason=follows.reason,
        by_itself=follows.by_itself,
        **extra,
    )
