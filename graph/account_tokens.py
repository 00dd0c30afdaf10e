"""
Whose token of a service account is it? Told by its claims, and held against the clusters.

The claims of an issued token name the account, its uid, the object that it is bound to, and the
number of the token. None of that is secret, and anybody can write it: what counts is the cluster
that has such an account under that very uid. The token itself is shown to no cluster.
Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

import re
from collections.abc import Iterator, Mapping

from graph import refs
from graph.connections import Connections
from graph.errors import LocksmithError, NotFoundError
from graph.fields import mapping, text
from graph.model import Gap

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_UID = re.compile(r"[0-9a-fA-F-]{36}")
_BOUND = {"pod": "Pod", "secret": "Secret"}


def facts_of_claims(
    claims: Mapping[str, object], connections: Connections
) -> tuple[dict[str, str], tuple[Gap, ...]]:
    """
    Give `account`, `bound_to`, `uid` and `jti` of a token that one of the clusters issued; else {}.

    What is bound to nothing more is bound to its account.
    """
    said = mapping(claims, "kubernetes.io")
    namespace = text(said, "namespace")
    account, uid = text(said, "serviceaccount", "name"), text(said, "serviceaccount", "uid")
    if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(account) and _UID.fullmatch(uid)):
        return {}, ()
    gaps: list[Gap] = []
    for cluster in connections.cluster_names:
        try:
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}"
            found = connections.kubernetes(cluster).get(path)
        except NotFoundError:
            continue
        except LocksmithError as error:
            why = f"Whether the leaked token is one of {cluster} is unknown. {error.happened}"
            gaps.append(Gap(f"kubernetes/{cluster}", "serviceaccounts", why, error.do_now))
            continue
        if text(found, "metadata", "uid") == uid:
            ref = refs.k8s(cluster, namespace, "ServiceAccount", account)
            facts = {"account": str(ref), "bound_to": str(ref), "uid": uid}
            facts |= dict(_bound(said, cluster, namespace))
            jti = text(claims, "jti")
            return facts | ({"jti": jti} if _UID.fullmatch(jti) else {}), ()
    return {}, tuple(gaps)


def _bound(said: object, cluster: str, namespace: str) -> Iterator[tuple[str, str]]:
    for name, kind in _BOUND.items():
        bound, uid = text(said, name, "name"), text(said, name, "uid")
        if _NAME.fullmatch(bound) and _UID.fullmatch(uid):
            yield "bound_to", str(refs.k8s(cluster, namespace, kind, bound))
            yield "uid", uid
            return
