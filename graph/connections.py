"""
How to reach every store, cluster and issuer: their settings, and one facade that hands out clients.

Here the settings become logged-in clients, lazily and once; what to do with a client is for
collectors, steps and `identify`. The clients themselves, with the translation of their errors,
are in `graph/vault_api.py` and `graph/kubernetes_api.py`.
"""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import quote

import hvac
import structlog
import urllib3
from kubernetes import config as kubeconfig
from kubernetes.client import ApiClient, Configuration
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, model_validator
from urllib3.exceptions import InsecureRequestWarning
from yaml import YAMLError

from graph.errors import AccessDeniedError, BadInputError, NotFoundError, UnavailableError
from graph.kubernetes_api import KubernetesApi
from graph.postgres_api import PostgresApi
from graph.vault_api import Login, VaultSession, vault_errors

log = structlog.get_logger()

__all__ = [
    "Connections",
    "HttpCall",
    "IssuerSettings",
    "KubernetesApi",
    "KubernetesSettings",
    "PostgresSettings",
    "VaultSettings",
    "vault_errors",
]

_SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path

_CONNECTIONS = 100  # kept open per cluster, at most

HttpAddress = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class _Settings(BaseModel):
    # A wrong value is reported without the value: it may be a token in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class VaultSettings(_Settings):
    """
    One Vault or OpenBao. `mounts` empty means: every KV version 2 mount the bot can see.

    `aliases` are other addresses of the same server: what a SecretStore in a cluster may name.
    """

    address: HttpAddress
    aliases: tuple[HttpAddress, ...] = ()
    namespace: str = ""
    auth: Literal["token", "approle", "kubernetes"] = "token"
    token: SecretStr | None = None
    role_id: str = ""
    secret_id: SecretStr | None = None
    role: str = ""
    auth_mount: str = ""  # empty: named like `auth`
    jwt_file: str = _SERVICE_ACCOUNT_TOKEN
    mounts: tuple[str, ...] = ()
    ca_cert: str = ""
    fingerprint: bool = True
    environment: str = ""
    kubernetes_auth: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.auth == "token" and not (self.token and self.token.get_secret_value()):
            raise ValueError("auth “token” needs `token`")
        if self.auth == "approle" and not (self.role_id and self.secret_id):
            raise ValueError("auth “approle” needs `role_id` and `secret_id`")
        if self.auth == "kubernetes" and not self.role:
            raise ValueError("auth “kubernetes” needs `role`")
        return self


class KubernetesSettings(_Settings):
    """
    One cluster. Without `kubeconfig` the one of KUBECONFIG or ~/.kube/config is used.

    `mode` "references" needs no verb on secrets at all; "fingerprint" reads the secrets of
    `namespaces` (empty: of all). `volume_sync_seconds` is how long its kubelets may take to bring
    a changed Secret into mounted files (`syncFrequency` plus the delay of their cache).
    """

    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    mode: Literal["references", "fingerprint"] = "references"
    namespaces: tuple[str, ...] = ()
    volume_sync_seconds: float = Field(default=120.0, ge=0)
    environment: str = ""


class HttpCall(_Settings):
    """
    One call of an issuer's API; `path`, `headers` and `body` may hold `{token}` and `{id}`.

    `ok` are the statuses of success; `dead` those that prove a token to be refused.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, JsonValue] | None = None
    ok: tuple[int, ...] = (200, 201, 202, 204)
    dead: tuple[int, ...] = (401, 403)


class IssuerSettings(_Settings):
    """
    An issuer of tokens with an HTTP API: how to create, revoke and probe one.

    `revoke_by_id` takes back a token that was created and could not be stored, when only its id is
    known any more; without it such a token is named to the person who has to revoke it.
    """

    kind: Literal["http"] = "http"
    base_url: HttpAddress
    admin_token: SecretStr
    create: HttpCall
    revoke: HttpCall
    revoke_by_id: HttpCall | None = None
    probe: HttpCall
    token_field: str = "token"  # noqa: S105 - the name of a field
    id_field: str = "id"


class PostgresSettings(_Settings):
    """
    A PostgreSQL server whose roles are rotated, and the admin role that does it.

    `host` may be the folder of a socket. `vault_connection` is the ref of the connection in a
    database engine that manages the same server ("vault://main/database/config/orders").
    """

    host: str
    port: int = Field(default=5432, ge=1, le=65535)
    database: str = "postgres"
    admin_user: str
    admin_password: SecretStr = SecretStr("")
    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "verify-full"
    ca_cert: str = ""  # empty: the authorities that the system trusts
    vault_connection: str = ""


class Connections:
    """
    Hands out one client per configured endpoint; safe to use from several threads.

    Every lookup of a name raises NotFoundError where nothing of that name is configured.
    """

    def __init__(
        self,
        vaults: Mapping[str, VaultSettings],
        clusters: Mapping[str, KubernetesSettings],
        issuers: Mapping[str, IssuerSettings],
        databases: Mapping[str, PostgresSettings] | None = None,
    ) -> None:
        self._vaults = dict(vaults)
        self._clusters = dict(clusters)
        self._issuers = dict(issuers)
        self._databases = dict(databases or {})
        self._lock = threading.Lock()
        self._sessions: dict[str, VaultSession] = {}
        self._apis: dict[str, KubernetesApi] = {}

    @property
    def vault_names(self) -> tuple[str, ...]:
        return tuple(self._vaults)

    @property
    def cluster_names(self) -> tuple[str, ...]:
        return tuple(self._clusters)

    @property
    def issuer_names(self) -> tuple[str, ...]:
        return tuple(self._issuers)

    def vault_settings(self, name: str) -> VaultSettings:
        return _named(self._vaults, name, "vault")

    def cluster_settings(self, name: str) -> KubernetesSettings:
        return _named(self._clusters, name, "kubernetes")

    def issuer(self, name: str) -> IssuerSettings:
        return _named(self._issuers, name, "issuer")

    def postgres(self, name: str) -> PostgresApi:
        settings = _named(self._databases, name, "databases")
        return PostgresApi(
            name,
            host=settings.host,
            port=settings.port,
            database=settings.database,
            user=settings.admin_user,
            password=settings.admin_password.get_secret_value(),
            sslmode=settings.sslmode,
            ca_cert=settings.ca_cert,
        )

    def postgres_behind(self, vault_connection: str) -> str:
        """Name the server that a database engine manages too; "" where none is configured."""
        found = (n for n, s in self._databases.items() if s.vault_connection == vault_connection)
        return next(found, "")

    def vault(self, name: str) -> hvac.Client:
        """
        Return a logged-in client; wrap what is called on it in `vault_errors`.

        Raises:
            AccessDeniedError, UnavailableError: the login did not work.
        """
        settings = self.vault_settings(name)
        with self._lock:
            session = self._sessions.get(name)
            if session is None:
                session = self._sessions[name] = _vault_session(name, settings)
        return session.client()

    def ask_vault(
        self,
        store: str,
        method: str,
        path: str,
        *,
        doing: str,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """
        Call one path of a store, without `/v1/`; return the `data` of its answer, {} if none.

        Raises as `vault_errors` does, `doing` in its sentence.
        """
        client = self.vault(store)
        with vault_errors(doing):
            answer = client.adapter.request(method, f"/v1/{quote(path)}", json=body)
        data = answer.get("data") if isinstance(answer, dict) else None
        return data if isinstance(data, dict) else {}

    def kubernetes(self, name: str) -> KubernetesApi:
        """
        Return the cluster's API; nothing is called yet.

        Raises:
            BadInputError: the kubeconfig or the context cannot be used.
        """
        settings = self.cluster_settings(name)
        with self._lock:
            api = self._apis.get(name)
            if api is None:
                api = self._apis[name] = KubernetesApi(name, _kubernetes_client(name, settings))
        return api

    def reading_from(self, apis: Mapping[str, KubernetesApi]) -> "Connections":
        """Return the same settings with other clients for the clusters named in `apis`."""
        other = Connections(self._vaults, self._clusters, self._issuers, self._databases)
        other._apis.update(apis)
        return other

    def close(self) -> None:
        with self._lock:
            for session in self._sessions.values():
                session.close()
            for api in self._apis.values():
                api.close()
            self._sessions.clear()
            self._apis.clear()


Named = TypeVar("Named", bound=_Settings)


def _named(settings: Mapping[str, Named], name: str, section: str) -> Named:
    try:
        return settings[name]
    except KeyError:
        known = ", ".join(settings) or "none"
        raise NotFoundError(
            f"No {section} is called “{name}”.",
            means=f"Configured in section `{section}`: {known}.",
        ) from None


def _vault_session(name: str, settings: VaultSettings) -> VaultSession:
    if settings.ca_cert and not Path(settings.ca_cert).exists():
        raise BadInputError(
            f"The `ca_cert` of vault {name} does not exist: {settings.ca_cert}.",
            do_now="Give the path of a PEM file with the certificate authority.",
        )
    token = settings.token.get_secret_value() if settings.auth == "token" and settings.token else ""
    return VaultSession(
        name,
        settings.address,
        namespace=settings.namespace,
        ca_cert=settings.ca_cert,
        token=token,
        login=None if settings.auth == "token" else _login(name, settings),
    )


def _login(name: str, settings: VaultSettings) -> Login:
    path = f"/v1/auth/{settings.auth_mount.strip('/') or settings.auth}/login"

    def log_in(client: hvac.Client) -> None:
        try:
            with vault_errors(f"log in to vault {name} by {settings.auth}"):
                client.adapter.login(path, json=_proof(name, settings))
        except (AccessDeniedError, BadInputError, NotFoundError):
            raise AccessDeniedError(
                f"Could not log in to vault {name} by {settings.auth} at {path}.",
                means="The server does not accept the role or the proof that the bot has.",
                do_now="Check the auth mount, the role and its secret in the settings.",
            ) from None

    return log_in


def _proof(name: str, settings: VaultSettings) -> dict[str, str]:
    if settings.auth == "approle":
        secret_id = settings.secret_id.get_secret_value() if settings.secret_id else ""
        return {"role_id": settings.role_id, "secret_id": secret_id}
    try:
        jwt = Path(settings.jwt_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UnavailableError(
            f"The service account token for vault {name} cannot be read: {settings.jwt_file}.",
            do_now="Run the bot in a pod with a service account, or set `jwt_file`.",
        ) from error
    return {"role": settings.role, "jwt": jwt}


def _kubernetes_client(name: str, settings: KubernetesSettings) -> ApiClient:
    configuration = Configuration()
    file = settings.kubeconfig or os.environ.get("KUBECONFIG", "") or "~/.kube/config"
    try:
        if settings.in_cluster:
            kubeconfig.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
        else:
            kubeconfig.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(Path(file).expanduser()),
                context=settings.context or None,
                persist_config=False,
                client_configuration=configuration,
            )
    # The package raises what it happens to meet: its own error, a missing file, broken YAML.
    except (kubeconfig.ConfigException, OSError, TypeError, ValueError, YAMLError):
        where = "the pod's service account" if settings.in_cluster else file
        raise BadInputError(
            f"Cluster {name} cannot be used: {where} is missing, broken or lacks the context"
            f" “{settings.context or 'current-context'}”.",
            do_now="Check `kubeconfig` and `context` of this cluster in the settings.",
        ) from None
    if not configuration.verify_ssl:
        # The kubeconfig's owner chose so: said once, not with every request.
        log.warning("certificate.not_verified", cluster=name)
        urllib3.disable_warnings(InsecureRequestWarning)
    # Each watch holds a connection for minutes; a pool of the default size would throw others away.
    configuration.connection_pool_maxsize = _CONNECTIONS
    return ApiClient(configuration)
