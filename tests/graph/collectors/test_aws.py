"""Secrets Manager and Parameter Store against moto's server: the whole way to a match."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.checks.aws import check_aws
from bot.checks.finding import Outcome
from graph.collect import collect
from graph.collector import CollectContext
from graph.collectors.aws_secrets_manager import AwsSecretsManagerCollector
from graph.collectors.aws_ssm_parameters import AwsSsmParametersCollector
from graph.database import Database
from graph.fingerprints import Fingerprinter, generate_key
from graph.model import EdgeKind, Match, Observation
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from tests.servers.aws import ACCOUNT, REGION, Aws

NOW = datetime(2026, 11, 28, tzinfo=UTC)
HOME = f"aws://{ACCOUNT}/{REGION}"
FINGERPRINTER = Fingerprinter(SecretValue(generate_key()))
POLICIES = Path(__file__).parents[3] / "deploy" / "aws"


def value() -> str:
    return f"aws9fQ2xLbV7rTz{secrets.token_hex(8)}"


def look(aws: Aws, collector: type, **given: str) -> Observation:
    member = collector()
    context = CollectContext(aws.connections(**given), FINGERPRINTER)
    (source,) = member.sources(context)
    (seen,) = member.collect(source, context)
    return seen


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[GraphRepository]:
    database = Database(f"sqlite:///{tmp_path}/graph.db")
    database.create_all()
    yield GraphRepository(database.engine)
    database.close()


def found(repository: GraphRepository, leaked: str) -> tuple[Match, ...]:
    return repository.find(FINGERPRINTER.of_leaked(SecretValue(leaked)))


def run(repository: GraphRepository, aws: Aws, **given: str) -> None:
    context = CollectContext(aws.connections(mode="fingerprint", **given), FINGERPRINTER)
    members = {
        "aws_secrets_manager": AwsSecretsManagerCollector(),
        "aws_ssm_parameters": AwsSsmParametersCollector(),
    }
    for result in collect(repository, context, now=NOW, collectors=members):
        assert not result.refused


def test_each_version_of_a_secret_and_each_of_its_fields_is_recognised(
    aws: Aws, repository: GraphRepository
):
    name = f"payments/db-{secrets.token_hex(3)}"
    first, second, third = value(), value(), value()
    client = aws.client("secretsmanager")
    client.create_secret(Name=name, SecretString=json.dumps({"user": "app", "password": first}))
    for later in (second, third):
        client.put_secret_value(
            SecretId=name, SecretString=json.dumps({"user": "app", "password": later})
        )
    run(repository, aws)
    secret = f"{HOME}/secretsmanager/{name.replace('/', '%2F')}"
    (current,) = found(repository, f"postgres://web:{third}@db/app")
    assert (current.secret, current.key, current.current) == (secret, "password", True)
    (previous,) = found(repository, second)
    assert (previous.secret, previous.key, previous.current) == (secret, "password", False)
    assert previous.version is not None
    assert current.version is not None
    assert previous.version < current.version
    (oldest,) = found(repository, first)
    assert not oldest.current
    node = repository.snapshot().node(secret)
    assert node is not None
    assert node.attributes["keys"] == ("user", "password")
    assert node.attributes["version"] == current.version
    labels = [stage.split()[0] for stage in node.attributes["stages"]]  # type: ignore[union-attr]
    assert labels == ["AWSPREVIOUS", "AWSCURRENT"]


def test_a_plain_and_a_binary_secret_are_recognised(aws: Aws, repository: GraphRepository):
    client, plain, text = aws.client("secretsmanager"), value(), value()
    client.create_secret(Name=f"plain-{plain[-6:]}", SecretString=plain)
    client.create_secret(Name=f"binary-{text[-6:]}", SecretBinary=text.encode())
    run(repository, aws)
    assert found(repository, plain)[0].key == ""
    assert found(repository, text)[0].secret.endswith(f"binary-{text[-6:]}")


def test_former_values_of_a_parameter_are_recognised_and_plain_ones_left_out(
    aws: Aws, repository: GraphRepository
):
    client, name = aws.client("ssm"), f"/prod/{secrets.token_hex(3)}/token"
    first, second = value(), value()
    client.put_parameter(Name=name, Value=first, Type="SecureString")
    client.put_parameter(Name=name, Value=second, Type="SecureString", Overwrite=True)
    client.put_parameter(Name=f"{name}-host", Value=value(), Type="String")
    run(repository, aws)
    secret = f"{HOME}/ssm/{name.strip('/').replace('/', '%2F')}"
    assert [(m.secret, m.version, m.current) for m in found(repository, first)] == [
        (secret, 1, False)
    ]
    assert [(m.version, m.current) for m in found(repository, second)] == [(2, True)]
    assert repository.snapshot().node(f"{secret}-host") is None


def test_owners_come_from_tags_and_readers_from_resource_policies(aws: Aws):
    client, name = aws.client("secretsmanager"), f"owned-{secrets.token_hex(3)}"
    client.create_secret(
        Name=name,
        SecretString=value(),
        Tags=[{"Key": "owner", "Value": "payments"}, {"Key": "issuer", "Value": "paygate"}],
    )
    statement = {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
        "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/deploy", "*"]},
    }
    denied = {**statement, "Effect": "Deny", "Principal": {"AWS": "999999999999"}}
    client.put_resource_policy(
        SecretId=name,
        ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [statement, denied]}),
    )
    seen = look(aws, AwsSecretsManagerCollector)
    secret = f"{HOME}/secretsmanager/{name}"
    edges = {(edge.kind, edge.tail, edge.head) for edge in seen.edges}
    assert (EdgeKind.OWNED_BY, secret, "team:payments") in edges
    readers = {tail for kind, tail, head in edges if (kind, head) == (EdgeKind.CAN_READ, secret)}
    assert readers == {f"aws://{ACCOUNT}/iam/role/deploy", "aws://-/iam/anybody"}
    node = next(node for node in seen.nodes if node.ref == secret)
    assert node.attributes["issuer"] == "paygate"
    assert any("IAM policies" in gap.reason for gap in seen.gaps)


def test_without_the_mode_fingerprint_no_value_is_read(aws: Aws):
    aws.client("secretsmanager").create_secret(
        Name=f"unread-{secrets.token_hex(3)}", SecretString=value()
    )
    allowed = json.loads((POLICIES / "references.json").read_text())["Statement"]
    with aws.as_user(*allowed) as key:  # which may not read any
        for collector in (AwsSecretsManagerCollector, AwsSsmParametersCollector):
            seen = look(aws, collector, **key)
            assert not seen.fingerprints
            assert seen.complete
        checks = list(check_aws("prod", aws.connections(**key)))
    assert {check.outcome for check in checks} == {Outcome.OK}


def test_the_shipped_policies_are_enough_and_a_refusal_is_a_gap(aws: Aws):
    name = f"gap-{secrets.token_hex(3)}"
    aws.client("secretsmanager").create_secret(Name=name, SecretString=value())
    aws.client("ssm").put_parameter(Name=name, Value=value(), Type="SecureString")
    references = json.loads((POLICIES / "references.json").read_text())["Statement"]
    fingerprint = json.loads((POLICIES / "fingerprint.json").read_text())["Statement"]
    with aws.as_user(*references, fingerprint[0]) as key:
        for collector in (AwsSecretsManagerCollector, AwsSsmParametersCollector):
            seen = look(aws, collector, mode="fingerprint", **key)
            assert seen.complete
            assert seen.fingerprints
    with aws.as_user(*references) as key:
        for collector, action in (
            (AwsSecretsManagerCollector, "secretsmanager:GetSecretValue"),
            (AwsSsmParametersCollector, "ssm:GetParameterHistory"),
        ):
            seen = look(aws, collector, mode="fingerprint", **key)
            assert not seen.complete, "what was known of the values stays"
            assert any(node.ref.endswith(name) for node in seen.nodes)
            assert any(action in gap.do_now for gap in seen.gaps)
        checks = list(check_aws("prod", aws.connections(mode="fingerprint", **key)))
    missing = [check.do_now for check in checks if check.outcome is not Outcome.OK]
    assert len(missing) == 2
    assert "secretsmanager:GetSecretValue" in missing[0]


def test_another_account_than_configured_is_told(aws: Aws):
    checks = list(check_aws("prod", aws.connections(account="111122223333")))
    assert any("111122223333" in check.detail for check in checks if check.outcome != Outcome.OK)
