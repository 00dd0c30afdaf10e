"""
The audit log of a Kubernetes API server: one `audit.k8s.io/v1` event a line.

Example: `get` of the Secret payments/db by system:serviceaccount:payments:api becomes a read of
k8s://prod/payments/Secret/db by k8s://prod/payments/ServiceAccount/api, with its address and
program. A list or watch without a name becomes one of the namespace or the cluster that may have
shown every Secret there. Writes that give the object back (patch, deletecollection) count too.
A policy that logs bodies of Secrets writes values: that is said.

A use is a request made with a token that has a number of its own ("JTI=…" in the extra fields of
the user): issued tokens, since Kubernetes 1.30. Of the kept tokens of an account the log does not
say which one it was.
Source: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

import re
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
from graph.use_event import UseEvent

_VERBS = {"get", "list", "watch", "patch", "deletecollection"}
_ONE = {"get", "patch"}
_ACCOUNT = "system:serviceaccount:"
_OK = 200
_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_POD = "authentication.kubernetes.io/pod-name"


class KubernetesAuditLog(AuditLog):
    """Reads `kubernetes.NAME.audit_log`."""

    name: ClassVar[str] = "kubernetes"
    marks: ClassVar[re.Pattern[bytes]] = re.compile(rb"JTI=[0-9A-Za-z-]+")

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

    def uses(self, line: bytes, endpoint: str) -> Iterator[UseEvent]:
        event = _event(line)
        about, verb = mapping(event, "objectRef"), text(event, "verb")
        if text(event, "stage") != ("ResponseStarted" if verb == "watch" else "ResponseComplete"):
            return
        extra = mapping(event, "user", "extra")
        pods, addresses = texts(extra, _POD), texts(event, "sourceIPs")
        named = (text(about, "namespace"), text(about, "resource"), text(about, "name"))
        for mark in texts(extra, _CREDENTIAL):
            user = text(event, "user", "username")
            yield UseEvent(
                request=text(event, "auditID"),
                at=_moment(event),
                mark=mark,
                who=f"{user}, pod {pods[0]}" if pods else user,
                what=f"{verb} {'/'.join(part for part in named if part)}".strip(),
                address=addresses[-1] if addresses else "",
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
