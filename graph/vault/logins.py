"""
Which Kubernetes accounts may log in to which role of a vault: where the two planes meet.

A `kubernetes` auth mount trusts the tokens of one cluster. Which of the configured ones that is
follows from the API address in the mount's configuration, or from the setting
`vault.NAME.kubernetes_auth`. Bound names and namespaces may hold `*`; such a role is bound to a
namespace or a whole cluster, with the patterns on the edge.
Source: https://openbao.org/docs/auth/kubernetes/ (bound_service_account_names, kubernetes_host).
"""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from graph import refs
from graph.connections import Connections
from graph.errors import AccessDeniedError, BadInputError, NotFoundError
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.refs import Ref
from graph.vault.access import Holder, VaultAccess
from graph.vault_api import stanza

_KIND = "vault-login"
_PORTS = {"http": 80, "https": 443}


def clusters_of(access: VaultAccess, connections: Connections) -> dict[str, str]:
    """Name the cluster of each kubernetes auth mount; one that cannot be told is a gap."""
    told = connections.vault_settings(access.store).kubernetes_auth
    addresses = _addresses(connections)
    found: dict[str, str] = {}
    for path, mount in access.auth_mounts.items():
        name = path.strip("/")
        if mount.get("type") != "kubernetes" or not connections.cluster_names:
            continue
        cluster = told.get(name) or _by_address(access, name, addresses)
        if cluster:
            found[name] = cluster
    return found


def connect_accounts(access: VaultAccess, clusters: Mapping[str, str]) -> None:
    """Add an edge from every account, or place with accounts, to the roles it may log in to."""
    for role in access.roles:
        cluster = clusters.get(role.mount)
        if cluster:
            for tail, kind, patterns in _bound(cluster, role):
                access.gathered.refer(tail, kind)
                access.gathered.connect(
                    tail, role.ref, EdgeKind.OPENS, kind=_KIND, verb="login", **patterns
                )


def _bound(cluster: str, role: Holder) -> Iterator[tuple[Ref, NodeKind, dict[str, AttributeValue]]]:
    names = _patterns(role, "bound_service_account_names")
    spaces = _patterns(role, "bound_service_account_namespaces")
    if role.attributes.get("bound_service_account_namespace_selector"):
        spaces = (*spaces, "*")  # by labels, which are not known here: errs towards "may log in"
    if any("*" in space for space in spaces):
        scope = refs.k8s(cluster, "", "Cluster", cluster)
        yield scope, NodeKind.STORE, {"accounts": names, "namespaces": spaces}
        return
    for space in spaces:
        if any("*" in name for name in names):
            scope = refs.k8s(cluster, "", "Namespace", space)
            yield scope, NodeKind.NAMESPACE, {"accounts": names}
        else:
            for name in names:
                yield refs.k8s(cluster, space, "ServiceAccount", name), NodeKind.SUBJECT, {}


def _patterns(role: Holder, attribute: str) -> tuple[str, ...]:
    said = role.attributes.get(attribute)
    return said if isinstance(said, tuple) else ()


def _addresses(connections: Connections) -> dict[tuple[str, int | None], str]:
    found: dict[tuple[str, int | None], str] = {}
    for name in connections.cluster_names:
        try:
            found[_place(connections.kubernetes(name).address)] = name
        except BadInputError:  # said where the cluster itself is read
            continue
    return found


def _by_address(
    access: VaultAccess, mount: str, addresses: Mapping[tuple[str, int | None], str]
) -> str:
    path = f"auth/{mount}/config"
    do_now = f"Set vault.{access.store}.kubernetes_auth: {{{mount}: CLUSTER}}."
    try:
        host = str(access.get(path, f"read {path}").get("kubernetes_host") or "")
    except NotFoundError:  # a mount that was never configured: nobody can log in
        return ""
    except AccessDeniedError as error:
        access.gathered.miss(
            f"{access.store}/{path}",
            f"Whose accounts log in at {mount} is not known. {error.happened}",
            do_now=f"Grant: {stanza(path, 'read')}. Or: {do_now}",
            complete=False,
        )
        return ""
    cluster = addresses.get(_place(host), "")
    if host and not cluster:
        access.gathered.miss(
            f"{access.store}/{path}",
            f"Accounts of the cluster at {host} log in at {mount}; no configured cluster has it.",
            do_now=do_now,
        )
    return cluster


def _place(address: str) -> tuple[str, int | None]:
    """Compare by host and port, whatever stands around them."""
    try:
        url = urlsplit(address if "://" in address else f"https://{address}")
    except ValueError:  # brackets that do not fit
        return (address, None)
    try:
        port = url.port
    except ValueError:
        port = None
    return (url.hostname or "", port or _PORTS.get(url.scheme))
