"""Every place of the sweep; a new one is a class in a file of its kind, and a line here."""

from tests.crashes.database_places import (
    DynamicRole,
    EngineRoot,
    PostgresPassword,
    PostgresTwoRoles,
    StaticRole,
)
from tests.crashes.kv_places import (
    ByHand,
    Generated,
    HttpToken,
    HttpTokenAsked,
    HttpTokenInCluster,
    HttpTokenKeyed,
    Unknown,
)
from tests.crashes.outside_places import (
    AwsAccessKey,
    AwsSecretsManager,
    GithubToken,
    KubernetesGenerated,
)
from tests.crashes.place import Place
from tests.crashes.store_places import (
    AppRole,
    Entity,
    Pki,
    Token,
    Transit,
)

PLACES: tuple[type[Place], ...] = (
    Generated,
    ByHand,
    Unknown,
    HttpToken,
    HttpTokenKeyed,
    HttpTokenAsked,
    HttpTokenInCluster,
    AppRole,
    Token,
    Transit,
    Entity,
    Pki,
    PostgresPassword,
    PostgresTwoRoles,
    StaticRole,
    DynamicRole,
    EngineRoot,
    AwsAccessKey,
    AwsSecretsManager,
    GithubToken,
    KubernetesGenerated,
)
