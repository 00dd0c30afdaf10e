"""
Checks one cluster: reachable, and what the API server says that the bot may do.

Source of the permission question: SelfSubjectAccessReview, authorization.k8s.io/v1.
"""

from collections.abc import Iterator

from bot.checks.finding import Checked, Outcome, failed
from graph.connections import Connections, KubernetesApi, KubernetesSettings
from graph.errors import LocksmithError

_REFERENCES = (
    ("", "namespaces"),
    ("", "pods"),
    ("", "serviceaccounts"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "replicasets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("networking.k8s.io", "ingresses"),
    ("external-secrets.io", "externalsecrets"),
    ("external-secrets.io", "clustersecretstores"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
)
_ACTING = (
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("external-secrets.io", "externalsecrets"),
)
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def check_kubernetes(name: str, connections: Connections) -> Iterator[Checked]:
    """Look at one configured cluster; every trouble is a finding, none is raised."""
    connection = f"kubernetes {name}"
    settings = connections.cluster_settings(name)
    try:
        api = connections.kubernetes(name)
        version = str(api.get("/version").get("gitVersion", "unknown"))
        served = api.served()
    except LocksmithError as error:
        yield failed(connection, "reach", error)
        return
    yield Checked(connection, "reach", Outcome.OK, f"Kubernetes {version}, mode {settings.mode}")
    for group in api.undiscovered:
        yield Checked(
            connection, f"discover {group}", Outcome.OPTIONAL, "this API group does not answer"
        )
    try:
        for group, plural in _REFERENCES:
            if (group, plural) in served:
                yield _may(api, connection, "list", group, plural, essential=True)
                yield _may(api, connection, "watch", group, plural, essential=False)
        for plural, namespace in _chosen(settings):
            yield _may(api, connection, "list", "", plural, namespace=namespace, essential=True)
        for group, plural in _ACTING:
            if (group, plural) in served:
                yield _may(api, connection, "patch", group, plural, essential=False)
    except LocksmithError as error:
        yield failed(connection, "permissions", error)


def _chosen(settings: KubernetesSettings) -> Iterator[tuple[str, str]]:
    """Yield (plural, namespace) of what only some settings ask for."""
    if settings.mode == "fingerprint":
        yield from (("secrets", namespace) for namespace in settings.namespaces or ("",))
    if settings.config_maps:
        yield "configmaps", ""


def _may(
    api: KubernetesApi,
    connection: str,
    verb: str,
    group: str,
    plural: str,
    *,
    namespace: str = "",
    essential: bool,
) -> Checked:
    asked = {"verb": verb, "group": group, "resource": plural, "namespace": namespace}
    answer = api.post(
        _REVIEWS,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        },
    )
    where = f" in {namespace}" if namespace else ""
    what = f"{verb} {plural}{where}"
    if (answer.get("status") or {}).get("allowed"):
        return Checked(connection, what, Outcome.OK)
    rule = f'{{apiGroups: ["{group}"], resources: [{plural}], verbs: [{verb}]}}'
    return Checked(
        connection,
        what,
        Outcome.MISSING if essential else Outcome.OPTIONAL,
        "the API server says no",
        f"Add to the bot's {'role' if namespace else 'cluster role'}{where}: {rule}",
    )
