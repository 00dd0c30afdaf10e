"""
The ways to a Secret that lead around reading it: which right opens which, and how far it goes.

One table, read by `rbac.py`. Each row is a right that the API server grants by a rule; what it
amounts to comes from field notes, from "RBAC Good Practices" of Kubernetes and from the code of the
operators. A new way is a new row. What needs two rights at once (bind, escalate, a token Secret) is
in `grants.py`. Pure data.
"""

from dataclasses import dataclass

WRITES = ("create", "update", "patch")
CHANGES = ("update", "patch")

# How a reader comes to a secret; `kind` of an edge and of a reader.
DIRECT = "direct"  # the API answers the value itself: get, list, watch, patch, deletecollection
ALWAYS = "always-allowed"  # no rule is asked
NODE = "node"
MAKE_POD = "make-pod"
CHANGE_POD = "change-pod"
EXEC = "exec"
ATTACH = "attach"
EPHEMERAL = "ephemeral-container"
PORT_FORWARD = "port-forward"
APP_PROXY = "app-proxy"
NODE_PROXY = "node-proxy"
WEBHOOK = "webhook"
SECRET_STORE = "secret-store"  # noqa: S105 - a word, as the next two
PUSH_SECRET = "push-secret"  # noqa: S105
EXTERNAL_SECRET = "external-secret"  # noqa: S105
VAULT_SECRET = "vault-secret"  # noqa: S105
VAULT_CONNECTION = "vault-connection"
VAULT_AUTH = "vault-auth"
MINT_TOKEN = "mint-token"  # noqa: S105
TOKEN_SECRET = "token-secret"  # noqa: S105
IMPERSONATE = "impersonate"
BIND = "bind"
ESCALATE = "escalate"
AGGREGATE = "aggregate-label"

ACCOUNT, USER, USERS_GROUP = "ServiceAccount", "User", "Group"
STORE, LOGIN = "SecretStore", "VaultAuth"
# Whose rights somebody has who may do anything in a place.
EVERYTHING = (ACCOUNT, STORE, LOGIN)


@dataclass(frozen=True, slots=True)
class Detour:
    """
    `reaches`: it discloses Secrets of the place; `running`: only what running pods there hold.

    `becomes`: whose rights it lends besides, of the place: ACCOUNT, STORE, LOGIN or "".
    """

    kind: str
    verbs: tuple[str, ...]
    group: str
    resource: str
    note: str
    running: bool = False
    becomes: str = ""
    reaches: bool = True
    cluster_only: bool = False


_POD = "A pod made this way can mount any Secret of the namespace and run as any account in it."
_IMAGE = "A changed image runs with the Secrets that the pod has mounted."
_RUNNING = "Gives what the running pods of the namespace hold, and the tokens of their accounts."
_DEBUG = "A debug container can refer to any Secret, and sees what the pod holds."
_APP = "Talks to the application itself: gives what the application tells, on its own level."
_STORE = "A SecretStore may name any Secret of the namespace and send it to any address."
_PUSH = "A PushSecret copies a Secret to a store."
_FETCH = "An ExternalSecret fetches whatever a store that is usable in the namespace can read."
_OPERATOR = "The Vault Secrets Operator fetches whatever a VaultAuth that is usable there can read."
_ADDRESS = "The logins of the VaultAuths behind a VaultConnection go to the address that it names."
_KUBELET = (
    "The kubelet runs commands in any pod of its node; the API server's log does not show it."
)
_ADMISSION = "A webhook is shown every Secret that is created or changed."

_ESO = "external-secrets.io"
VSO = "secrets.hashicorp.com"
_FETCHED = ("vaultstaticsecrets", "vaultdynamicsecrets", "vaultpkisecrets", "csisecrets")
_POD_MAKERS = (
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "replicasets"),
    ("extensions", "deployments"),
    ("extensions", "daemonsets"),
    ("extensions", "replicasets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("", "replicationcontrollers"),
    ("apps.openshift.io", "deploymentconfigs"),
    ("argoproj.io", "rollouts"),
    ("argoproj.io", "workflows"),
    ("argoproj.io", "cronworkflows"),
    ("keda.sh", "scaledjobs"),
    ("serving.knative.dev", "services"),
    ("serving.knative.dev", "configurations"),
    ("serving.knative.dev", "revisions"),
    ("tekton.dev", "taskruns"),
    ("tekton.dev", "pipelineruns"),
    ("monitoring.coreos.com", "prometheuses"),
    ("monitoring.coreos.com", "prometheusagents"),
    ("monitoring.coreos.com", "alertmanagers"),
    ("monitoring.coreos.com", "thanosrulers"),
    *(("kubeflow.org", f"{sort}jobs") for sort in ("tf", "pytorch", "mpi", "xgboost", "paddle")),
    ("kubeflow.org", "notebooks"),
    ("serving.kserve.io", "inferenceservices"),
    *(("ray.io", f"ray{sort}") for sort in ("clusters", "jobs", "services")),
    ("batch.volcano.sh", "jobs"),
    ("jobset.x-k8s.io", "jobsets"),
    ("leaderworkerset.x-k8s.io", "leaderworkersets"),
    *(("apps.kruise.io", sort) for sort in ("clonesets", "statefulsets", "daemonsets")),
    ("sparkoperator.k8s.io", "sparkapplications"),
    ("build.openshift.io", "buildconfigs"),
    ("build.openshift.io", "builds"),
)

DETOURS: tuple[Detour, ...] = (
    Detour(MAKE_POD, ("create",), "", "pods", _POD, becomes=ACCOUNT),
    *(
        Detour(MAKE_POD, WRITES, group, resource, _POD, becomes=ACCOUNT)
        for group, resource in _POD_MAKERS
    ),
    Detour(CHANGE_POD, CHANGES, "", "pods", _IMAGE, running=True, becomes=ACCOUNT),
    # `get` is enough over WebSocket before Kubernetes 1.35 (kubernetes/kubernetes#78741).
    Detour(EXEC, ("create", "get"), "", "pods/exec", _RUNNING, running=True, becomes=ACCOUNT),
    Detour(ATTACH, ("create", "get"), "", "pods/attach", _RUNNING, running=True, becomes=ACCOUNT),
    Detour(EPHEMERAL, CHANGES, "", "pods/ephemeralcontainers", _DEBUG, becomes=ACCOUNT),
    Detour(PORT_FORWARD, ("create", "get"), "", "pods/portforward", _APP, running=True),
    Detour(APP_PROXY, ("get", "create"), "", "pods/proxy", _APP, running=True),
    Detour(APP_PROXY, ("get", "create"), "", "services/proxy", _APP, running=True),
    Detour(SECRET_STORE, WRITES, _ESO, "secretstores", _STORE, becomes=ACCOUNT),
    Detour(PUSH_SECRET, WRITES, _ESO, "pushsecrets", _PUSH),
    Detour(EXTERNAL_SECRET, WRITES, _ESO, "externalsecrets", _FETCH, becomes=STORE, reaches=False),
    *(
        Detour(VAULT_SECRET, WRITES, VSO, resource, _OPERATOR, becomes=LOGIN, reaches=False)
        for resource in _FETCHED
    ),
    Detour(
        VAULT_CONNECTION, CHANGES, VSO, "vaultconnections", _ADDRESS, becomes=LOGIN, reaches=False
    ),
    Detour(
        NODE_PROXY,
        ("get", "create"),
        "",
        "nodes/proxy",
        _KUBELET,
        running=True,
        becomes=ACCOUNT,
        cluster_only=True,
    ),
    Detour(
        SECRET_STORE,
        WRITES,
        _ESO,
        "clustersecretstores",
        _STORE,
        becomes=ACCOUNT,
        cluster_only=True,
    ),
    Detour(PUSH_SECRET, WRITES, _ESO, "clusterpushsecrets", _PUSH, cluster_only=True),
    Detour(
        EXTERNAL_SECRET,
        WRITES,
        _ESO,
        "clusterexternalsecrets",
        _FETCH,
        becomes=STORE,
        reaches=False,
        cluster_only=True,
    ),
    *(
        Detour(
            WEBHOOK,
            WRITES,
            "admissionregistration.k8s.io",
            f"{sort}webhookconfigurations",
            _ADMISSION,
            cluster_only=True,
        )
        for sort in ("mutating", "validating")
    ),
)
