"""
How to reach every store, cluster, account and issuer: one facade that hands out clients.

Here the settings of `graph/endpoints.py` become logged-in clients, lazily and once; what to do with
a client is for collectors, steps and `identify`. The clients themselves, with the translation of
their errors, are in `graph/vault_api.py`, `graph/kubernetes_api.py` and `graph/aws_api.py`.
"""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import hvac
import structlog
import urllib3
from urllib3.exceptions import InsecureRequestWarning
from yaml import YAMLError

from graph.aws_api import AwsApi, aws_errors
from graph.endpoints import (
    AwsSettings,
    EndpointSettings,
    HttpCall,
    HttpSettings,
    IssuerSettings,
    KubernetesSettings,
    PostgresSettings,
    ProviderSettings,
    VaultSettings,
)
from graph.errors import AccessDeniedError, BadInputError, NotFoundError, UnavailableError
from graph.kubernetes_api import KubernetesApi
from graph.postgres_api import PostgresApi
from graph.vault_api import Login, VaultSession, vault_errors

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

log = structlog.get_logger()

__all__ = [
    "AwsApi",
    "AwsSettings",
    "Connections",
    "HttpCall",
    "HttpSettings",
    "IssuerSettings",
    "KubernetesApi",
    "KubernetesSettings",
    "PostgresSettings",
    "ProviderSettings",
    "VaultSettings",
    "aws_errors",
    "vault_errors",
]

_CONNECTIONS = 100  # kept open per cluster, at most


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
        *,
        aws: Mapping[str, AwsSettings] | None = None,
        providers: Mapping[str, ProviderSettings] | None = None,
        http: HttpSettings | None = None,
    ) -> None:
        self._vaults = dict(vaults)
        self._clusters = dict(clusters)
        self._issuers = dict(issuers)
        self._databases = dict(databases or {})
        self._accounts = dict(aws or {})
        self._providers = dict(providers or {})
        self._http = http or HttpSettings()
        self._lock = threading.Lock()
        self._sessions: dict[str, VaultSession] = {}
        self._apis: dict[str, KubernetesApi] = {}
        self._aws: dict[str, AwsApi] = {}

    @property
    def vault_names(self) -> tuple[str, ...]:
        return tuple(self._vaults)

    @property
    def cluster_names(self) -> tuple[str, ...]:
        return tuple(self._clusters)

    @property
    def issuer_names(self) -> tuple[str, ...]:
        return tuple(self._issuers)

    @property
    def aws_names(self) -> tuple[str, ...]:
        return tuple(self._accounts)

    def vault_settings(self, name: str) -> VaultSettings:
        return _named(self._vaults, name, "vault")

    def cluster_settings(self, name: str) -> KubernetesSettings:
        return _named(self._clusters, name, "kubernetes")

    def aws_settings(self, name: str) -> AwsSettings:
        return _named(self._accounts, name, "aws")

    def issuer(self, name: str) -> IssuerSettings:
        return _named(self._issuers, name, "issuer")

    def provider_url(self, name: str) -> str:
        """Give the address that is configured for a provider; "" for the public one."""
        settings = self._providers.get(name)
        return settings.base_url if settings else ""

    @property
    def http_hosts(self) -> tuple[str, ...]:
        return self._http.hosts

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

    def aws(self, name: str) -> AwsApi:
        """
        Return one region of one account; nothing is called yet.

        Raises:
            BadInputError: the profile is not there.
        """
        settings = self.aws_settings(name)
        with self._lock:
            api = self._aws.get(name)
            if api is None:
                api = self._aws[name] = _aws_api(name, settings)
        return api

    def reading_from(self, apis: Mapping[str, KubernetesApi]) -> "Connections":
        """Return the same settings with other clients for the clusters named in `apis`."""
        other = Connections(
            self._vaults,
            self._clusters,
            self._issuers,
            self._databases,
            providers=self._providers,
            http=self._http,
            aws=self._accounts,
        )
        other._apis.update(apis)
        return other

    def close(self) -> None:
        with self._lock:
            for session in self._sessions.values():
                session.close()
            for api in self._apis.values():
                api.close()
            for account in self._aws.values():
                account.close()
            self._sessions.clear()
            self._apis.clear()
            self._aws.clear()


Named = TypeVar("Named", bound=EndpointSettings)


def _named(settings: Mapping[str, Named], name: str, section: str) -> Named:
    try:
        return settings[name]
    except KeyError:
        known = ", ".join(settings) or "none"
        raise NotFoundError(
            f"No {section} is called “{name}”.",
            means=f"Configured in section `{section}`: {known}.",
        ) from None


def _aws_api(name: str, settings: AwsSettings) -> AwsApi:
    secret, session = settings.secret_access_key, settings.session_token
    return AwsApi(
        name,
        region=settings.region,
        account=settings.account,
        endpoint_url=settings.endpoint_url,
        profile=settings.profile,
        access_key_id=settings.access_key_id,
        secret_access_key=secret.get_secret_value() if secret else "",
        session_token=session.get_secret_value() if session else "",
        ca_cert=settings.ca_cert,
        tries=settings.tries,
    )


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


def _kubernetes_client(name: str, settings: KubernetesSettings) -> "ApiClient":
    # Half a second of generated classes: paid by who talks to a cluster, not by each command.
    from kubernetes import config as kubeconfig  # noqa: PLC0415
    from kubernetes.client import ApiClient, Configuration  # noqa: PLC0415

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
