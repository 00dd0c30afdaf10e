"""
What can be set, section by section; `bot/config.py` reads it.

What the settings of an endpoint mean stands beside the code that uses them (`graph/endpoints.py`).
"""

from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    SecretStr,
    field_validator,
    model_validator,
)

from bot.slack_features import FEATURES, FeatureName
from graph.endpoints import (
    AwsSettings,
    CatalogSettings,
    HttpSettings,
    IssuerSettings,
    KubernetesSettings,
    LiveChecks,
    PostgresSettings,
    ProviderSettings,
    SignInSettings,
    VaultSettings,
)
from graph.environments import EnvironmentRule
from graph.kubernetes.toolbox import Declared
from responders.approvals import ApprovalPolicy
from responders.escalation import PagingSettings
from responders.incident import Severity
from responders.limits import EngineSettings, Mode
from responders.severity import DEFAULT_RULES, SeverityRule
from responders.way_back import Rollback


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(Section):
    """`url` is SQLAlchemy's; empty: SQLite in the data folder. Several replicas need PostgreSQL."""

    url: str = ""


class TransitSettings(Section):
    """A transit key of a configured vault; see `graph/transit_key.py`."""

    store: str
    key: str
    mount: str = "transit"


class FingerprintSettings(Section):
    """
    The installation key: it keys the fingerprints, the audit chain and the encrypted inbox.

    `key` is 32 bytes as hex or base64. Empty: made once, kept in the data folder (mode 0600).
    `previous_keys` are those before it, the latest first, as a list or as words of one text (a
    file): what is under them is still recognised, verified and read. With `transit` the
    fingerprints are made in Vault or OpenBao; the rest stays under `key`.
    """

    key: SecretStr | None = None
    key_id: str = ""  # empty: derived from the key
    previous_keys: tuple[SecretStr, ...] = ()
    transit: TransitSettings | None = None

    @field_validator("previous_keys", mode="before")
    @classmethod
    def _words(cls, given: object) -> object:
        return tuple(given.split()) if isinstance(given, str) else given


class SlackSettings(Section):
    """
    `security_channel` is a name or an id; `scan_messages`: look at messages where the bot is.

    `admin_user_token`: a user token (xoxp-) of a workspace admin with chat:write. With it Locksmith
    deletes messages that hold a secret; without it, it asks their authors. `features`: what of the
    app is wanted beside its core; `locksmith slack manifest` and `check` go by it.
    """

    bot_token: SecretStr | None = None
    app_token: SecretStr | None = None
    base_url: str = "https://slack.com/api/"
    admin_user_token: SecretStr | None = None
    security_channel: str = "security"
    scan_messages: bool = True
    features: tuple[FeatureName, ...] = tuple(FEATURES)

    @property
    def wanted_features(self) -> tuple[FeatureName, ...]:
        """The features, without what is switched off elsewhere."""
        return tuple(one for one in self.features if one != "scan" or self.scan_messages)


class SpillSettings(Section):
    """
    When the author of a message that holds a secret is reminded to delete it.

    At the last moment the security channel is told too. Empty: nobody is reminded.
    """

    remind_after_minutes: tuple[PositiveFloat, ...] = (5, 15)


class TeamSettings(Section):
    """Who a team is and how it is reached; `pagers` are names of configured pagers."""

    members: tuple[str, ...] = ()
    slack_group: str = ""
    pagers: tuple[str, ...] = ()


class OwnerRule(Section):
    """`match` is a glob over refs; the first that fits names the owner ("team:payments")."""

    match: str
    owner: str


class PagerEntry(BaseModel):
    """
    One configured pager: `kind` names the member of responders/pagers, the rest is its own.

    `tier` 1 is called first; `severities` empty: it is called for every incident.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str
    tier: int = Field(default=1, ge=1)
    severities: tuple[Severity, ...] = ()


class ResponseSettings(Section):
    """
    What may be changed at all. `allow` holds globs over refs, and no approval reaches beyond it.

    observe: nothing runs. suggest: nothing runs without approval. act: a plan starts without
    asking, inside the same `allow`. `retry_seconds`: how long a step waits, try after try, for
    something that cannot be reached; after the last one the run stops and asks a person.

    `silent_seconds`: an audit log that shows uses of the old value (`audit_log` of a vault or a
    cluster) must have told of none for so long before that is revoked.

    `rollback`, when a step fails before the point of no return. automatic: what was done is taken
    back at once. ask: the run stops, and an approver says so.
    """

    mode: Mode = Mode.SUGGEST
    allow: tuple[str, ...] = ()
    retry_seconds: tuple[float, ...] = EngineSettings().retry_seconds
    silent_seconds: float = Field(default=EngineSettings().silent_seconds, ge=0, le=300)
    rollback: Rollback = Rollback.AUTOMATIC
    playbooks: str = ""  # a folder of your own playbooks; a name that exists is overridden


class CollectSettings(Section):
    interval_seconds: int = Field(default=300, ge=5)


class HookSettings(Section):
    """
    One webhook, at /hooks/NAME: `kind` names the member of bot/intake/hooks.

    `secret` is what the sender signs with. `open_unmatched`: a finding that is stored nowhere, or
    came without its value, opens an incident too.
    """

    kind: str
    secret: SecretStr = Field(min_length=16)
    open_unmatched: bool = True


class WebSettings(Section):
    """
    `listen` is "ADDRESS:PORT"; empty: no server. TLS is the business of what stands before.

    `metrics_listen`: where Prometheus reads, apart from what the world may reach; empty: nowhere.
    """

    listen: str = ""
    metrics_listen: str = ""
    hooks: dict[str, HookSettings] = {}


class GraphSettings(Section):
    """
    What the graph is to know beyond what it knows. `references`: fields of custom resources.

    `infer`: read every other custom resource of live clusters too, and guess; it takes the right
    to list them. In manifests that is done in any case.
    """

    references: tuple[Declared, ...] = ()
    infer: bool = False


class Config(Section):
    """The whole configuration; see config.example.yaml for each key in its place."""

    installation: str = "locksmith"
    database: DatabaseSettings = DatabaseSettings()
    fingerprint: FingerprintSettings = FingerprintSettings()
    slack: SlackSettings = SlackSettings()
    spill: SpillSettings = SpillSettings()
    vault: dict[str, VaultSettings] = {}
    kubernetes: dict[str, KubernetesSettings] = {}
    aws: dict[str, AwsSettings] = {}
    issuers: dict[str, IssuerSettings] = {}
    providers: dict[str, ProviderSettings] = {}
    http: HttpSettings = HttpSettings()
    databases: dict[str, PostgresSettings] = {}  # whose passwords are rotated; ours is `database`
    teams: dict[str, TeamSettings] = {}
    owners: tuple[OwnerRule, ...] = ()
    catalogs: dict[str, CatalogSettings] = {}
    pagers: dict[str, PagerEntry] = {}
    paging: PagingSettings = PagingSettings()
    default_owner: str = "team:security"  # paged where no owner is known
    approvals: ApprovalPolicy = ApprovalPolicy(approvers=("team:security",))
    step_up: SignInSettings = SignInSettings()
    severity: tuple[SeverityRule, ...] = DEFAULT_RULES
    response: ResponseSettings = ResponseSettings()
    collect: CollectSettings = CollectSettings()
    environments: tuple[EnvironmentRule, ...] = ()
    detection: LiveChecks = LiveChecks()
    graph: GraphSettings = GraphSettings()
    web: WebSettings = WebSettings()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    data_folder: str = ""

    @model_validator(mode="after")
    def _takes_sign_ins(self) -> Self:
        if self.step_up.issuer and not self.web.listen:
            raise ValueError("step_up needs web.listen: that is where a sign-in comes back to")
        return self
