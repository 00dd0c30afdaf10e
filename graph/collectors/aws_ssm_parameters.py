"""
AWS Systems Manager Parameter Store: SecureString parameters, their versions, owners from tags.

Example: `aws_ssm_parameters/prod` is the entry `prod` of `aws` in the settings; the parameter
`/prod/db/password` becomes aws://111122223333/eu-west-1/ssm/prod%2Fdb%2Fpassword. Parameters of the
types String and StringList are no secrets and are left out. In the mode `fingerprint` the history
of each parameter is read, in memory, and only after a change; the fields of a JSON object become
keys.
Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/ (DescribeParameters,
GetParameterHistory, ListTagsForResource).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

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

_SERVICE = "ssm"


@dataclass(frozen=True, slots=True)
class _Contents:
    """The history of a parameter as of `version`: fields of the current value, all digests."""

    version: int
    keys: tuple[str, ...]
    versions: tuple[tuple[int, Prints], ...]


class AwsSsmParametersCollector(Collector):
    """Reads the Parameter Store of every configured account and region."""

    name: ClassVar[str] = "aws_ssm_parameters"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "aws",
            statement("ssm:DescribeParameters"),
            "To know each SecureString parameter and its version.",
        ),
        Permission(
            "aws", statement("ssm:ListTagsForResource"), "To know the owner of a parameter."
        ),
        Permission(
            "aws",
            statement("ssm:GetParameterHistory", "kms:Decrypt"),
            "To recognise a leaked value, former versions too (`mode: fingerprint`).",
        ),
    )

    def __init__(self) -> None:
        self._remembered: dict[tuple[Ref, object], _Contents] = {}

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
        tags = Refused("The tags", "ssm:ListTagsForResource")
        values = Refused("Reading", "ssm:GetParameterHistory")
        for found in _listed(api, entry):
            name, version = str(found["Name"]), int(found.get("Version") or 1)
            secret = refs.cloud("aws", account, settings.region, _SERVICE, name.strip("/"))
            gathered.define(
                secret,
                NodeKind.SECRET,
                type="aws-ssm-parameter",
                version=version,
                parameter=name,
            )
            gathered.connect(secret, store, EdgeKind.STORED_IN)
            try:
                describe(gathered, secret, _tags(api, name), settings.environment)
            except AccessDeniedError as error:
                tags.add(name, error)
            except NotFoundError:  # removed since it was listed
                continue
            if fingerprinter is None:
                continue
            try:
                self._contents(
                    api,
                    gathered,
                    secret,
                    name=name,
                    version=version,
                    fingerprinter=fingerprinter,
                )
            except AccessDeniedError as error:
                values.add(name, error)
            except NotFoundError:
                continue
        for refused in (tags, values):
            refused.tell(gathered, f"{entry}/{_SERVICE}")
        gathered.miss(
            f"{entry}/{_SERVICE}/iam",
            f"Who may read parameters of account {account} through IAM policies is not read.",
            do_now="Ask IAM Access Analyzer, or the owners of the account.",
        )
        yield gathered.observation()

    def _contents(
        self,
        api: AwsApi,
        gathered: Gathered,
        secret: Ref,
        *,
        name: str,
        version: int,
        fingerprinter: Fingerprinter,
    ) -> None:
        contents = self._remembered.get((secret, fingerprinter))
        if contents is None or contents.version != version:
            contents = _history(api, name, version, fingerprinter)
        self._remembered[secret, fingerprinter] = contents
        if contents.keys:
            gathered.note(secret, keys=contents.keys)
        gathered.note(secret, versions=tuple(str(number) for number, _ in contents.versions))
        for number, prints in contents.versions:
            gathered.fingerprints += (
                StoredFingerprint(one, secret, key, number, number == version)
                for key, one in prints
            )


def _listed(api: AwsApi, entry: str) -> Iterator[Mapping[str, Any]]:
    with aws_errors(f"list the parameters of aws {entry}", service="ssm"):
        pages = api.ssm().get_paginator("describe_parameters").paginate()
        for page in pages:
            yield from (one for one in page["Parameters"] if one.get("Type") == "SecureString")


def _tags(api: AwsApi, name: str) -> dict[str, str]:
    with aws_errors("read the tags of a parameter", service="ssm"):
        answer = api.ssm().list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
    return tags_of(answer.get("TagList"))


def _history(api: AwsApi, name: str, version: int, fingerprinter: Fingerprinter) -> _Contents:
    keys: tuple[str, ...] = ()
    versions: list[tuple[int, Prints]] = []
    with aws_errors("read the history of a parameter", service="ssm"):
        pages = api.ssm().get_paginator("get_parameter_history")
        for page in pages.paginate(Name=name, WithDecryption=True):
            for one in page["Parameters"]:
                value = SecretValue(str(one.get("Value") or ""))
                number = int(one.get("Version") or 1)
                versions.append((number, prints_of(value, fingerprinter)))
                if number == version:
                    keys = field_names(value)
    return _Contents(version, keys, tuple(versions))
