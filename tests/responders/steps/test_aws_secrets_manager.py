"""Secrets Manager on a local AWS: staged, promoted, back, retired, by labels; and the failures."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

import pytest

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from responders.step import Receipt, StepContext, VerdictKind
from responders.steps.aws_secrets_manager import (
    Promote,
    PromoteSettings,
    Retire,
    RetireSettings,
    Stage,
    StageSettings,
)
from tests.responders.steps.parts import Passed, context, proxy
from tests.servers.aws import ACCOUNT, REGION, Aws

LEAKED = "leaked-value-of-an-order-service"


@dataclass
class Orders:
    """One secret, whose current version leaked."""

    aws: Aws
    name: str

    @property
    def ref(self) -> str:
        return f"aws://{ACCOUNT}/{REGION}/secretsmanager/{self.name}"

    def read(self, label: str = "AWSCURRENT") -> dict[str, Any]:
        client = self.aws.client("secretsmanager")
        found: dict[str, Any] = client.get_secret_value(SecretId=self.name, VersionStage=label)
        return found

    def labels(self) -> dict[str, list[str]]:
        described = self.aws.client("secretsmanager").describe_secret(SecretId=self.name)
        return {v: sorted(has) for v, has in described["VersionIdsToStages"].items() if has}

    def context(
        self, address: str = "", receipts: dict[str, Receipt] | None = None, **given: Any
    ) -> StepContext:
        settings = {"endpoint_url": address or self.aws.address, "tries": 1, **given}
        return context(self.aws.connections(**settings), receipts=receipts)


@pytest.fixture
def orders(aws: Aws) -> Orders:
    name = f"shop/orders-{secrets.token_hex(4)}"
    aws.client("secretsmanager").create_secret(Name=name, SecretString=LEAKED)
    return Orders(aws, name)


def test_staged_promoted_back_again_and_retired(orders: Orders) -> None:
    old = orders.read()["VersionId"]
    stage, given = StageSettings(secret=orders.ref, length=32), orders.context()
    staged = Stage().apply(stage, given)
    new = str(staged.facts["version_id"])
    assert orders.read()["SecretString"] == LEAKED
    verdicts = [Stage().verify(stage, staged, given)]
    promote, after = PromoteSettings(secret=orders.ref), orders.context(receipts={"stage": staged})
    promoted = Promote().apply(promote, after)
    verdicts.append(Promote().verify(promote, promoted, after))
    value = orders.read()["SecretString"]
    assert len(value) == 32
    Promote().undo(promote, promoted, after)
    assert orders.read()["SecretString"] == LEAKED
    assert Promote().verify(promote, promoted, after).kind is VerdictKind.REFUTED
    assert Promote().undo(promote, promoted, after).sentence.endswith("current one again.")
    assert Promote().apply(promote, after) == promoted
    retire = RetireSettings(secret=orders.ref)
    given = orders.context(receipts={"promote": promoted})
    retired = Retire().apply(retire, given)
    verdicts.append(Retire().verify(retire, retired, given))
    assert old not in orders.labels()
    assert "AWSCURRENT" in orders.labels()[new]
    assert Retire().apply(retire, given) == retired
    assert [one.kind for one in verdicts] == [VerdictKind.CONFIRMED] * 3, verdicts
    assert value not in f"{staged}{promoted}{retired}{verdicts}"


def test_applied_twice_makes_one_version(orders: Orders) -> None:
    stage = StageSettings(secret=orders.ref)
    first = Stage().apply(stage, orders.context())
    value = orders.read("AWSPENDING")["SecretString"]
    assert Stage().apply(stage, orders.context()) == first
    assert orders.read("AWSPENDING")["SecretString"] == value
    given = orders.context(receipts={"stage": first})
    promoted = Promote().apply(PromoteSettings(secret=orders.ref), given)
    assert Promote().apply(PromoteSettings(secret=orders.ref), given) == promoted
    assert Stage().verify(stage, first, given).kind is VerdictKind.CONFIRMED
    assert len(orders.labels()) == 2


def test_one_member_of_a_json_object_changes_and_the_others_stay(orders: Orders) -> None:
    before = json.dumps({"username": "shop", "password": LEAKED})
    orders.aws.client("secretsmanager").put_secret_value(SecretId=orders.name, SecretString=before)
    with pytest.raises(BadInputError, match="no JSON object with the member"):
        Stage().apply(StageSettings(secret=orders.ref, field="passwd"), orders.context())
    staged = Stage().apply(StageSettings(secret=orders.ref, field="password"), orders.context())
    after = json.loads(orders.read("AWSPENDING")["SecretString"])
    assert after["username"] == "shop"
    assert after["password"] not in {LEAKED, None}
    assert staged.facts["field"] == "password"


@pytest.mark.parametrize("call", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_a_lost_reply_is_made_up_for_by_the_repeat(orders: Orders, call: str) -> None:
    lost: list[str] = []

    def lose(passed: Passed) -> tuple[int, bytes] | None:
        if not passed.headers.get("X-Amz-Target", "").endswith(call) or lost:
            return None
        lost.append(call)
        passed.forward()
        return 0, b""

    with proxy(orders.aws.address, lose) as address:
        receipts: dict[str, Receipt] = {}
        given = orders.context(address, receipts)
        failures = 0
        for name, step, settings in (
            ("stage", Stage(), StageSettings(secret=orders.ref)),
            ("promote", Promote(), PromoteSettings(secret=orders.ref)),
        ):
            try:
                receipts[name] = step.apply(settings, given)  # type: ignore[arg-type]
            except UnavailableError:
                failures += 1
                receipts[name] = step.apply(settings, given)  # type: ignore[arg-type]
    assert failures == 1
    labels = orders.labels()
    assert len(labels) == 2
    assert "AWSCURRENT" in labels[str(receipts["stage"].facts["version_id"])]
    assert labels[str(receipts["promote"].facts["former"])] == ["AWSPREVIOUS"]


def test_a_rotation_of_somebody_else_is_not_trampled_on(orders: Orders) -> None:
    theirs = "11111111-2222-3333-4444-555555555555"
    orders.aws.client("secretsmanager").put_secret_value(
        SecretId=orders.name,
        ClientRequestToken=theirs,
        SecretString="theirs",
        VersionStages=["AWSPENDING"],
    )
    with pytest.raises(ConflictError, match="AWSPENDING already"):
        Stage().apply(StageSettings(secret=orders.ref), orders.context())
    assert orders.read("AWSPENDING")["VersionId"] == theirs


def test_what_others_made_current_meanwhile_is_left_alone(orders: Orders) -> None:
    staged = Stage().apply(StageSettings(secret=orders.ref), orders.context())
    promote, given = PromoteSettings(secret=orders.ref), orders.context(receipts={"stage": staged})
    promoted = Promote().apply(promote, given)
    client = orders.aws.client("secretsmanager")
    by_hand = client.put_secret_value(
        SecretId=orders.name, SecretString="hand", VersionStages=["BY_HAND"]
    )["VersionId"]
    client.update_secret_version_stage(
        SecretId=orders.name,
        VersionStage="AWSCURRENT",
        MoveToVersionId=by_hand,
        RemoveFromVersionId=promoted.facts["version_id"],
    )
    with pytest.raises(ConflictError, match="meanwhile"):
        Promote().undo(promote, promoted, given)
    assert "AWSCURRENT" in orders.labels()[by_hand]
    assert Promote().verify(promote, promoted, given).kind is VerdictKind.REFUTED


def test_the_current_version_never_loses_its_labels(orders: Orders) -> None:
    current = orders.read()["VersionId"]
    receipts = {"promote": Receipt("", {"former": current})}
    with pytest.raises(ConflictError, match="is the current one again"):
        Retire().apply(RetireSettings(secret=orders.ref), orders.context(receipts=receipts))
    assert orders.labels()[current] == ["AWSCURRENT"]


def test_a_secret_that_is_gone_or_elsewhere_is_told(orders: Orders) -> None:
    staged = Stage().apply(StageSettings(secret=orders.ref), orders.context())
    orders.aws.client("secretsmanager").delete_secret(
        SecretId=orders.name, ForceDeleteWithoutRecovery=True
    )
    given = orders.context(receipts={"stage": staged})
    with pytest.raises(NotFoundError):
        Promote().apply(PromoteSettings(secret=orders.ref), given)
    verdict = Stage().verify(StageSettings(secret=orders.ref), staged, given)
    assert verdict.kind is VerdictKind.UNKNOWN
    elsewhere = orders.ref.replace(REGION, "us-east-1")
    with pytest.raises(NotFoundError, match="in us-east-1 is configured"):
        Stage().apply(StageSettings(secret=elsewhere), orders.context())
    with pytest.raises(BadInputError, match="no secret of AWS Secrets Manager"):
        Stage().apply(StageSettings(secret=f"aws://{ACCOUNT}/iam/user/x"), orders.context())


def test_a_missing_permission_names_the_action(orders: Orders) -> None:
    look = {"Effect": "Allow", "Action": "secretsmanager:DescribeSecret", "Resource": "*"}
    with orders.aws.as_user(look) as key, pytest.raises(AccessDeniedError) as raised:
        Stage().apply(StageSettings(secret=orders.ref), orders.context(account=ACCOUNT, **key))
    assert "secretsmanager:PutSecretValue" in raised.value.do_now


def test_exactly_what_the_steps_declare_suffices(orders: Orders) -> None:
    rules = [p.rule for step in (Stage, Promote, Retire) for p in step.permissions]
    actions = sorted({w for rule in rules for w in rule.split('"') if w.startswith("secrets")})
    with orders.aws.as_user({"Effect": "Allow", "Action": actions, "Resource": "*"}) as key:
        receipts: dict[str, Receipt] = {}
        given = orders.context("", receipts, account=ACCOUNT, **key)
        receipts["stage"] = Stage().apply(StageSettings(secret=orders.ref), given)
        receipts["promote"] = Promote().apply(PromoteSettings(secret=orders.ref), given)
        retired = Retire().apply(RetireSettings(secret=orders.ref), given)
        verdict = Retire().verify(RetireSettings(secret=orders.ref), retired, given)
    assert verdict.kind is VerdictKind.CONFIRMED
