"""
AWS Secrets Manager: secrets, their versions and labels, owners from tags, and resource policies.

Example: `aws_secrets_manager/prod` is the entry `prod` of `aws` in the settings; the secret
`payments/db` becomes aws://111122223333/eu-west-1/secretsmanager/payments%2Fdb. A version is
numbered by the second of its making, because its own name is a UUID; the one with the label
AWSCURRENT is the current one, and AWSPREVIOUS and older ones are former versions. In the mode
`fingerprint` each version is read once, in memory; the fields of a JSON object become keys.
Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/ (ListSecrets,
ListSecretVersionIds, GetSecretValue, GetResourcePolicy).
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from graph import refs
from graph.aws_api import AwsApi, aws_errors, statement
from graph.aws_stores import (
    Prints,
    Refused,
    describe,
    field_names,
    prints_of,
    store_of,
    tags_of,
)
from graph.collector import CollectContext, Collector, Permission
from graph.errors import AccessDeniedError, NotFoundError
from graph.fingerprints import Fingerprinter
from graph.gathered import Gathered
from graph.model import EdgeKind, NodeKind, Observation, StoredFingerprint
from graph.refs import Ref
from graph.secret_value import SecretValue

_SERVICE = "secretsmanager"
_READS = frozenset(
    {"*", "secretsmanager:*", "secretsmanager:get*", "secretsmanager:getsecretvalue"}
)
_RANKS = {"AWSPREVIOUS": 1, "AWSCURRENT": 2}  # which of two of one moment is the later one


@dataclass(frozen=True, slots=True)
class _Version:
    identifier: str
    number: int
    stages: tuple[str, ...]

    @property
    def current(self) -> bool:
        return "AWSCURRENT" in self.stages


@dataclass(frozen=True, slots=True)
class _Contents:
    keys: tuple[str, ...]
    prints: Prints


class AwsSecretsManagerCollector(Collector):
    """Reads Secrets Manager of every configured account and region."""

    name: ClassVar[str] = "aws_secrets_manager"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "aws",
            statement("secretsmanager:ListSecrets", "secretsmanager:ListSecretVersionIds"),
            "To know each secret, its versions and its owner.",
        ),
        Permission(
            "aws",
            statement("secretsmanager:GetResourcePolicy"),
            "To tell whom a secret's own policy lets read it.",
        ),
        Permission(
            "aws",
            statement("secretsmanager:GetSecretValue", "kms:Decrypt"),
            "To recognise a leaked value (`mode: fingerprint`).",
        ),
        Permission(
            "aws",
            statement("sts:GetCallerIdentity"),
            "To know the account, where `account` is not set; AWS allows it to everybody.",
        ),
    )

    def __init__(self) -> None:
        # A version never changes: what was read once need not be read again under the same key.
        self._remembered: dict[tuple[str, str, object], _Contents] = {}

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return tuple(f"{self.name}/{entry}" for entry in context.connections.aws_names)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        entry = source.removeprefix(f"{self.name}/")
        settings = context.connections.aws_settings(entry)
        api = context.connections.aws(entry)
        account = api.account()
        gathered = Gathered(source, "")
        store = store_of(gathered, account, _SERVICE, settings)
        fingerprinter = context.fingerprinter if settings.mode == "fingerprint" else None
        scope = f"{entry}/{_SERVICE}"
        versions = Refused("The versions", "secretsmanager:ListSecretVersionIds")
        policies = Refused("The resource policy", "secretsmanager:GetResourcePolicy")
        values = Refused("Reading", "secretsmanager:GetSecretValue")
        for found in _listed(api, entry):
            name, arn = str(found["Name"]), str(found["ARN"])
            secret = refs.cloud("aws", account, settings.region, _SERVICE, name.strip("/"))
            gathered.define(secret, NodeKind.SECRET, type="aws-secrets-manager", arn=arn)
            gathered.connect(secret, store, EdgeKind.STORED_IN)
            describe(gathered, secret, tags_of(found.get("Tags")), settings.environment)
            if found.get("RotationEnabled"):
                gathered.note(secret, rotated_by="aws")
            try:
                self._versions(
                    api, gathered, secret, arn, fingerprinter=fingerprinter, refused=values
                )
            except AccessDeniedError as error:
                versions.add(name, error)
            except NotFoundError:  # removed since it was listed
                continue
            try:
                _policy(api, gathered, secret, arn)
            except AccessDeniedError as error:
                policies.add(name, error)
            except NotFoundError:
                continue
        for refused in (versions, policies, values):
            refused.tell(gathered, scope)
        gathered.miss(
            f"{scope}/iam",
            f"Who may read secrets of account {account} through IAM policies is not read.",
            do_now="Ask IAM Access Analyzer, or the owners of the account.",
        )
        yield gathered.observation()

    def _versions(
        self,
        api: AwsApi,
        gathered: Gathered,
        secret: Ref,
        arn: str,
        *,
        fingerprinter: Fingerprinter | None,
        refused: Refused,
    ) -> None:
        versions = _numbered(api, arn)
        gathered.note(
            secret,
            versions=tuple(str(version.number) for version in versions),
            stages=tuple(
                f"{stage} {version.identifier}" for version in versions for stage in version.stages
            ),
        )
        for version in versions:
            if version.current:
                gathered.note(secret, version=version.number)
            if fingerprinter is None:
                continue
            key = (arn, version.identifier, fingerprinter)
            try:
                contents = self._remembered.get(key) or _read(api, arn, version, fingerprinter)
            except AccessDeniedError as error:
                refused.add(secret, error)
                return
            except NotFoundError:  # a version without a label, which AWS has dropped
                continue
            self._remembered[key] = contents
            if version.current and contents.keys:
                gathered.note(secret, keys=contents.keys)
            gathered.fingerprints += (
                StoredFingerprint(one, secret, name, version.number, version.current)
                for name, one in contents.prints
            )


def _listed(api: AwsApi, entry: str) -> Iterator[Mapping[str, Any]]:
    with aws_errors(f"list the secrets of aws {entry}", service="secretsmanager"):
        for page in api.secretsmanager().get_paginator("list_secrets").paginate():
            yield from page["SecretList"]


def _numbered(api: AwsApi, arn: str) -> tuple[_Version, ...]:
    """List the versions, the oldest first, numbered by the second of their making."""
    found: list[Any] = []
    asked: dict[str, Any] = {"SecretId": arn, "IncludeDeprecated": True}
    while True:
        with aws_errors("list the versions of a secret", service="secretsmanager"):
            page = api.secretsmanager().list_secret_version_ids(**asked)
        found += page["Versions"]
        if not page.get("NextToken"):
            break
        asked["NextToken"] = page["NextToken"]
    found.sort(key=lambda one: (one["CreatedDate"], _rank(one), one["VersionId"]))
    versions: list[_Version] = []
    for one in found:
        made = int(one["CreatedDate"].timestamp())
        number = max(made, versions[-1].number + 1) if versions else made
        stages = tuple(sorted(str(stage) for stage in one.get("VersionStages") or ()))
        versions.append(_Version(str(one["VersionId"]), number, stages))
    return tuple(versions)


def _rank(version: Mapping[str, Any]) -> int:
    return max((_RANKS.get(stage, 0) for stage in version.get("VersionStages") or ()), default=0)


def _read(api: AwsApi, arn: str, version: _Version, fingerprinter: Fingerprinter) -> _Contents:
    with aws_errors("read a version of a secret", service="secretsmanager"):
        answer = api.secretsmanager().get_secret_value(SecretId=arn, VersionId=version.identifier)
    if "SecretString" in answer:
        value = SecretValue(answer["SecretString"])
    else:  # its base64 is one of the normal forms
        value = SecretValue(base64.b64encode(answer["SecretBinary"]).decode())
    return _Contents(field_names(value), prints_of(value, fingerprinter))


def _policy(api: AwsApi, gathered: Gathered, secret: Ref, arn: str) -> None:
    """Take whom the secret's own policy allows to read; a condition is a note, not judged."""
    with aws_errors("read the resource policy of a secret", service="secretsmanager"):
        text = api.secretsmanager().get_resource_policy(SecretId=arn).get("ResourcePolicy")
    policy = orjson.loads(text) if text else {}
    for one in _each(policy.get("Statement")):
        actions = {str(action).lower() for action in _each(one.get("Action"))}
        if one.get("Effect") != "Allow" or not actions & _READS:
            continue
        note = "under conditions" if one.get("Condition") else ""
        principal = one.get("Principal")
        named = principal.get("AWS") if isinstance(principal, dict) else principal
        for who in _each(named):
            subject = _principal(str(who))
            gathered.define(subject, NodeKind.SUBJECT)
            gathered.connect(
                subject,
                secret,
                EdgeKind.CAN_READ,
                verb="get",
                direct=True,
                path=(secret,),
                note=note,
                kind="resource-policy",
            )


def _principal(named: str) -> Ref:
    """Name who is meant: `*`, an account, or `arn:aws:iam::ACCOUNT:user/NAME`."""
    if named == "*":
        return refs.cloud("aws", "", "iam", "anybody")
    parts = named.split(":", 5)
    if len(parts) == 6:  # noqa: PLR2004 - arn:aws:iam::ACCOUNT:REST
        return refs.cloud("aws", parts[4], "iam", *parts[5].split("/"))
    return refs.cloud("aws", named, "iam", "root")


def _each(given: Any) -> list[Any]:
    """Read what JSON policies write as one thing or as a list of it."""
    if given is None:
        return []
    return given if isinstance(given, list) else [given]
