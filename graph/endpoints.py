"""
The settings of every store, cluster, catalogue, issuer and database that Locksmith may reach.

Only what they are and when they are complete; `graph/connections.py` makes clients of them.
"""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    field_validator,
    model_validator,
)

_SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path

HttpAddress = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class EndpointSettings(BaseModel):
    # A wrong value is reported without the value: it may be a token in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class VaultSettings(EndpointSettings):
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
    audit_log: str = ""  # the file of an audit device, where the bot runs
    audit_devices: tuple[str, ...] = ()  # empty: asked of `sys/audit`

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.auth == "token" and not (self.token and self.token.get_secret_value()):
            raise ValueError("auth “token” needs `token`")
        if self.auth == "approle" and not (self.role_id and self.secret_id):
            raise ValueError("auth “approle” needs `role_id` and `secret_id`")
        if self.auth == "kubernetes" and not self.role:
            raise ValueError("auth “kubernetes” needs `role`")
        return self


class KubernetesSettings(EndpointSettings):
    """
    One cluster. Without `kubeconfig` the one of KUBECONFIG or ~/.kube/config is used.

    `mode` "references" needs no verb on secrets at all; "fingerprint" reads the secrets of
    `namespaces` (empty: of all). `config_maps` reads ConfigMaps, for what refers to a Vault or a
    Secret in them. `volume_sync_seconds` is how long its kubelets may take to bring
    a changed Secret into mounted files (`syncFrequency` plus the delay of their cache).
    """

    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    mode: Literal["references", "fingerprint"] = "references"
    namespaces: tuple[str, ...] = ()
    config_maps: bool = False
    volume_sync_seconds: float = Field(default=120.0, ge=0)
    environment: str = ""
    audit_log: str = ""  # the file of the API server's audit log, where the bot runs


class AwsSettings(EndpointSettings):
    """
    One region of one AWS account.

    Without `access_key_id` and `profile` the SDK finds its credentials itself: the environment, the
    account of the pod, the machine's role. `account` empty: asked of STS. `mode` "references" reads
    names, versions and tags; "fingerprint" reads the values too, in memory.
    """

    region: str = Field(min_length=1)
    account: str = Field(default="", pattern=r"^(\d{12})?$")
    endpoint_url: HttpAddress | None = None  # another than Amazon's own, for all services
    profile: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    ca_cert: str = ""
    tries: int = Field(default=4, ge=1)  # of one call, while AWS asks to wait or does not answer
    mode: Literal["references", "fingerprint"] = "references"
    environment: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ValueError("`access_key_id` and `secret_access_key` belong together")
        if self.access_key_id and self.profile:
            raise ValueError("give either `profile` or `access_key_id`, not both")
        return self


class HttpCall(EndpointSettings):
    """
    One call of an issuer's API; `path`, `headers` and `body` may hold `{token}` and `{id}`.

    In `create` they may hold `{mark}`, a text of that one creation.

    `ok` are the statuses of success; `dead` those that prove a token to be refused.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, JsonValue] | None = None
    ok: tuple[int, ...] = (200, 201, 202, 204)
    dead: tuple[int, ...] = (401, 403)


class FindCall(HttpCall):
    """
    The call that lists an issuer's tokens, to find one that was made and whose answer was lost.

    `items` is where the answer has the list ("" where it is the list), `id` and `mark` are fields
    of an item, `more` one of the answer that says when the list is not complete. `remove` takes an
    item's `{id}`; without it that is `revoke_by_id`.
    """

    method: Literal["GET", "POST"] = "GET"
    ok: tuple[int, ...] = (200,)
    items: str = ""
    id: str = "id"
    mark: str = "name"
    more: str = ""
    remove: HttpCall | None = None


class IssuerSettings(EndpointSettings):
    """
    An issuer of tokens with an HTTP API: how to create, revoke and probe one.

    `revoke_by_id` takes back a token that was created and could not be stored, when only its id is
    known any more; without it such a token is named to the person who has to revoke it.
    `id_pattern` finds the id in the token itself, where the issuer puts it there.
    `idempotent`: it answers a repeated Idempotency-Key with the same token. `find` looks for what
    was made before a crash. With neither of them a person is asked to look.
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
    id_pattern: str = ""
    idempotent: bool = False
    find: FindCall | None = None

    @model_validator(mode="after")
    def _finds_what_it_made(self) -> Self:
        if self.find is None:
            return self
        if "{mark}" not in self.create.model_dump_json():
            raise ValueError("`find` needs {mark} in `create`: what is found must be known as ours")
        if self.find.remove is None and self.revoke_by_id is None:
            raise ValueError("`find` needs `revoke_by_id`, or a call `remove` of its own")
        return self

    @model_validator(mode="after")
    def _finds_an_id(self) -> Self:
        try:
            groups = re.compile(self.id_pattern).groups
        except re.error as error:
            raise ValueError(f"`id_pattern` is no regular expression: {error}") from None
        if self.id_pattern and groups != 1:
            raise ValueError("`id_pattern` needs one group: what it holds is the id")
        return self


class PostgresSettings(EndpointSettings):
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


class ProviderSettings(EndpointSettings):
    """Where a provider of responders/providers is, if not at its public address."""

    base_url: HttpAddress


class SignInSettings(EndpointSettings):
    """
    The OpenID Connect provider where approvers sign in anew; `issuer` empty: nobody is asked to.

    `public_url` is where people's browsers reach `web.listen`; the provider has to know
    PUBLIC_URL/step-up/callback as a redirect address. `email_claim` is what names the person as
    Slack does. `max_age_seconds`: how long ago the sign-in may be; `link_minutes`: how long the
    link lives.
    """

    issuer: Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$")] = ""
    client_id: str = ""
    client_secret: SecretStr | None = None
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$")] = ""
    email_claim: str = "email"
    max_age_seconds: int = Field(default=300, ge=10)
    link_minutes: int = Field(default=10, ge=1, le=60)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.issuer and not (self.client_id and self.public_url):
            raise ValueError("`issuer` needs `client_id` and `public_url` beside it")
        return self


class HttpSettings(EndpointSettings):
    """
    Which hosts the step `http_call.send` may call: "api.example.com", "api.example.com:8443".

    No patterns: what is not in the list is refused, whatever a playbook says.
    """

    hosts: tuple[str, ...] = ()


class CatalogSettings(EndpointSettings):
    """One catalogue: `url` of Backstage with a `token`, or `files` (globs), or both."""

    url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    token: SecretStr | None = None
    files: tuple[str, ...] = ()
    timeout: float = Field(default=15.0, gt=0, le=120)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.url or self.files):
            raise ValueError("a catalogue needs a `url` or `files`")
        return self


class LiveChecks(EndpointSettings):
    """
    Whether and where a value may be shown to its issuer. Off by default.

    `hosts` are globs; `variables` name other addresses (GITHUB_BASE_URL for GitHub Enterprise);
    `internal` allows addresses inside of your network, which such a variable may need.
    """

    live_checks: Literal["off", "ask"] = "off"
    hosts: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    internal: bool = False
    timeout_seconds: float = Field(default=10, gt=0, le=60)

    @field_validator("live_checks", mode="before")
    @classmethod
    def _read_as_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare off as no

    def allows(self, host: str) -> bool:
        return any(fnmatchcase(host.lower(), glob.lower()) for glob in self.hosts)
