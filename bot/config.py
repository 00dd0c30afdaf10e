"""
The configuration: one YAML file, the environment over it, secrets from files; strict and explained.

Every setting is also an environment variable: `slack.bot_token` is `LOCKSMITH_SLACK__BOT_TOKEN`,
`vault.main.address` is `LOCKSMITH_VAULT__MAIN__ADDRESS`. A secret may instead name a file, in
both places: `bot_token_file: /run/secrets/bot` or `LOCKSMITH_SLACK__BOT_TOKEN_FILE`. Lists and
maps in the environment are written as JSON. An unknown key is an error that says where it stands.
What the settings of an endpoint mean stands beside the code that uses them.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

import orjson
import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from bot.slack_features import FEATURES, FeatureName
from graph import yaml_text
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
from graph.errors import BadInputError
from graph.kubernetes.toolbox import Declared
from responders.approvals import ApprovalPolicy
from responders.escalation import PagingSettings
from responders.incident import Severity
from responders.limits import EngineSettings, Mode
from responders.severity import DEFAULT_RULES, SeverityRule
from responders.way_back import Rollback

PREFIX = "LOCKSMITH_"
NOT_SETTINGS = {"LOCKSMITH_CONFIG", "LOCKSMITH_DATA", "LOCKSMITH_PERSON"}


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


def data_folder(config: Config | None = None) -> Path:
    """Return the folder for the database and the key, made if missing (mode 0700)."""
    chosen = (config.data_folder if config else "") or os.environ.get("LOCKSMITH_DATA", "")
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    folder = Path(chosen) if chosen else Path(home) / "locksmith"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(
            f"The data folder {folder} cannot be made: {error.strerror}.",
            do_now="Set data_folder or LOCKSMITH_DATA to a place that Locksmith may write to.",
        ) from None
    return folder


def database_url(config: Config) -> str:
    return config.database.url or f"sqlite:///{data_folder(config) / 'locksmith.sqlite'}"


def load(path: str = "", *, environ: Mapping[str, str] | None = None) -> Config:
    """
    Read the configuration from `path` (else LOCKSMITH_CONFIG, else none) and the environment.

    Raises:
        BadInputError: the file or a variable is wrong; it says which key, where and why.
    """
    environ = os.environ if environ is None else environ
    path = path or environ.get("LOCKSMITH_CONFIG", "")
    settings = _from_file(path) if path else {}
    for name, keys, value in _from_environment(environ):
        _put(settings, keys, value, name)
    _read_secret_files(settings, Config, "")
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise BadInputError(
            f"The configuration{f' {path}' if path else ''} is not usable: " + _explain(error),
            means="Nothing was started and nothing was changed.",
            do_now="Mend the keys named above; config.example.yaml shows every key in its place.",
        ) from None


def _from_file(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        loaded = yaml_text.load(text)
    except OSError as error:
        raise BadInputError(
            f"The configuration file {path} cannot be read: {error.strerror}.",
            do_now="Give another with --config or LOCKSMITH_CONFIG.",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise BadInputError(
            f"{path} is not valid YAML at {where}: {error.problem}.",
            do_now="Mend that line; a linter for YAML shows the place.",
        ) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise BadInputError(
            f"{path} must hold keys and values, not a {type(loaded).__name__}.",
            do_now="Start from config.example.yaml.",
        )
    return loaded


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, list[str], Any]]:
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        value: Any = text
        if text[:1] in "[{":
            try:
                value = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise BadInputError(
                    f"The environment variable {name} looks like JSON but is not.",
                    do_now='Write lists as ["a","b"] and maps as {"a":"b"}.',
                ) from None
        yield name, name[len(PREFIX) :].lower().split("__"), value


def _put(settings: dict[str, Any], keys: list[str], value: Any, name: str) -> None:
    for key in keys[:-1]:
        below = settings.setdefault(key, {})
        if not isinstance(below, dict):
            raise BadInputError(
                f"The environment variable {name} goes below “{key}”, which is not a section.",
                do_now="Compare its name with the keys of config.example.yaml.",
            )
        settings = below
    settings[keys[-1]] = value


def _read_secret_files(settings: Any, model: Any, where: str) -> None:
    """Replace `x_file` by the file's content where the model knows a secret `x`, not `x_file`."""
    if not isinstance(settings, dict):
        return
    fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    is_pager = model is PagerEntry
    for key in list(settings):
        here = f"{where}.{key}".lstrip(".")
        if key.endswith("_file") and key not in fields:
            secret = key.removesuffix("_file")
            if secret in fields or is_pager:
                settings[secret] = _secret_from(str(settings.pop(key)), here)
            continue
        field = fields.get(key)
        if field is not None and field.annotation is not None:
            _descend(settings[key], field.annotation, here)


def _descend(value: Any, annotation: Any, where: str) -> None:
    if get_origin(annotation) is dict and isinstance(value, dict):
        for name, below in value.items():
            _read_secret_files(below, get_args(annotation)[-1], f"{where}.{name}")
    else:
        _read_secret_files(value, annotation, where)


def _secret_from(path: str, where: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadInputError(
            f"The setting {where} names the file {path}, which cannot be read: {error.strerror}.",
            do_now="Mount the file, or give the secret another way.",
        ) from None


def _explain(error: ValidationError) -> str:
    """Name each wrong key without its value: the value may be a secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"]
        if problem["type"] == "extra_forbidden":
            message = "there is no such key"
        lines.append(f"{where}: {message}")
    return "; ".join(lines) + "."
