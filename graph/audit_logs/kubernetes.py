"""
The audit log of a Kubernetes API server: one `audit.k8s.io/v1` event a line.

Example: `get` of the Secret payments/db by system:serviceaccount:payments:api becomes a read of
k8s://prod/payments/Secret/db by k8s://prod/payments/ServiceAccount/api, with its address and
program. A list or watch without a name becomes one of the namespace or the cluster that may have
shown every Secret there. Writes that give the object back (patch, deletecollection) count too.
A policy that logs bodies of Secrets writes values: that is said.
Source: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

import orjson

from graph import refs
from graph.audit_log import AuditLog, NotUnderstoodError
from graph.connections import Connections
from graph.fields import mapping, number, text, texts
from graph.read_event import ReadEvent
from graph.refs import Ref

_VERBS = {"get", "list", "watch", "patch", "deletecollection"}
_ONE = {"get", "patch"}
_ACCOUNT = "system:serviceaccount:"
_OK = 200


class KubernetesAuditLog(AuditLog):
    """Reads `kubernetes.NAME.audit_log`."""

    name: ClassVar[str] = "kubernetes"

    def files(self, connections: Connections) -> dict[str, str]:
        return {
            cluster: connections.cluster_settings(cluster).audit_log
            for cluster in connections.cluster_names
        }

    def events(self, line: bytes, endpoint: str) -> Iterator[ReadEvent]:
        event = _event(line)
        about, verb = mapping(event, "objectRef"), text(event, "verb")
        if text(about, "resource") != "secrets" or text(about, "subresource") or verb not in _VERBS:
            return
        # A watch is complete when it ends, and has shown everything long before.
        wanted = "ResponseStarted" if verb == "watch" else "ResponseComplete"
        if text(event, "stage") != wanted or number(event, "responseStatus", "code") != _OK:
            return
        if text(about, "apiGroup"):  # another API's kind of that name
            return
        actor = text(event, "impersonatedUser", "username")
        user = text(event, "user", "username")
        addresses = texts(event, "sourceIPs")
        name = text(about, "name")
        yield ReadEvent(
            request=text(event, "auditID"),
            at=_moment(event),
            secret=_secret(endpoint, text(about, "namespace"), name),
            verb=verb,
            who=f"{actor} (by {user})" if actor else user,
            subject=_subject(endpoint, actor or user),
            address=addresses[-1] if addresses else "",  # the last one was seen by the server
            agent=text(event, "userAgent"),
            sure=bool(name) and verb in _ONE,
        )

    def warning(self, line: bytes) -> str:
        event = _event(line)
        is_secret = text(event, "objectRef", "resource") == "secrets"
        if is_secret and (event.get("responseObject") or event.get("requestObject")):
            return "The audit policy logs the bodies of Secrets: the log holds values and leaks."
        return ""


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise NotUnderstoodError from None
    if not isinstance(event, dict) or event.get("kind") != "Event" or "auditID" not in event:
        raise NotUnderstoodError
    return event


def _moment(event: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(text(event, "requestReceivedTimestamp"))
    except ValueError:
        raise NotUnderstoodError from None
    if moment.tzinfo is None:
        raise NotUnderstoodError
    return moment


def _secret(cluster: str, namespace: str, name: str) -> Ref:
    if namespace and name:
        return refs.k8s(cluster, namespace, "Secret", name)
    if namespace:
        return refs.k8s(cluster, "", "Namespace", namespace)
    return refs.k8s(cluster, "", "Cluster", cluster)


def _subject(cluster: str, username: str) -> str:
    if username.startswith(_ACCOUNT):
        namespace, _, account = username.removeprefix(_ACCOUNT).partition(":")
        return refs.k8s(cluster, namespace, "ServiceAccount", account)
    return refs.k8s(cluster, "", "User", username) if username else ""
