"""Access keys of IAM users on a local AWS, their pair in a real OpenBao; and the failures."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from graph.errors import (
    AccessDeniedError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from responders.step import Receipt, StepContext, VerdictKind
from responders.steps.aws_access_key import (
    ConfirmUnused,
    Deactivate,
    Delete,
    KeySettings,
    Rotate,
    RotateSettings,
    UnusedSettings,
)
from tests.responders.steps.parts import Meddle, Passed, Store, context, proxy
from tests.servers.aws import ACCOUNT, Aws

PATH = "ci/aws"
STS_SAYS_NO = (
    b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    b"<Code>InvalidClientTokenId</Code><Message>The security token included in the request is"
    b" invalid.</Message></Error></ErrorResponse>"
)


@dataclass
class Deploy:
    """A user of its own with one key, which is version 1 in the store, and leaked."""

    aws: Aws
    store: Store
    name: str
    leaked: str
    secret: str

    @property
    def ref(self) -> str:
        return f"aws://{ACCOUNT}/iam/user/{self.name}"

    @property
    def rotation(self) -> RotateSettings:
        return RotateSettings(user=self.ref, secret=self.store.ref(PATH))

    @property
    def old(self) -> KeySettings:
        return KeySettings(user=self.ref, secret=self.store.ref(PATH), version=1)

    def keys(self) -> dict[str, str]:
        listed = self.aws.client("iam").list_access_keys(UserName=self.name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    def context(
        self, address: str = "", store: str = "", *, seconds: float = 30.0, **given: Any
    ) -> StepContext:
        settings = self.aws.settings(endpoint_url=address or self.aws.address, tries=1, **given)
        return context(self.store.connections(address=store, aws=settings), seconds=seconds)


@pytest.fixture
def deploy(aws: Aws, store: Store) -> Deploy:
    name = f"deploy-{secrets.token_hex(4)}"
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    store.put(
        PATH,
        access_key_id=key["AccessKeyId"],
        secret_access_key=key["SecretAccessKey"],
        region="eu-west-1",
    )
    return Deploy(aws, store, name, key["AccessKeyId"], key["SecretAccessKey"])


def refusing(deploy: Deploy) -> Meddle:
    """Do what AWS does and moto does not: refuse a key that is off or gone."""

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        if parse_qs(passed.body.decode()).get("Action") != ["GetCallerIdentity"]:
            return None
        asker = passed.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        known = deploy.keys() | {"AKIAIOSFODNN7TESTING": "Active"}
        return None if known.get(asker) == "Active" else (403, STS_SAYS_NO)

    return meddle


def refusing_dead_keys(aws: Aws) -> Meddle:
    """Do the same for the keys of every user there is."""

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        if parse_qs(passed.body.decode()).get("Action") != ["GetCallerIdentity"]:
            return None
        asker = passed.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        iam = aws.client("iam")
        known = {"AKIAIOSFODNN7TESTING": "Active"}
        for user in iam.list_users()["Users"]:
            listed = iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
            known |= {key["AccessKeyId"]: key["Status"] for key in listed}
        return None if known.get(asker) == "Active" else (403, STS_SAYS_NO)

    return meddle


def action(passed: Passed) -> str:
    return parse_qs(passed.body.decode()).get("Action", [""])[0]


def test_second_key_switch_watch_off_and_deleted(deploy: Deploy) -> None:
    with proxy(deploy.aws.address, refusing(deploy)) as address:
        given = deploy.context(address)
        receipt = Rotate().apply(deploy.rotation, given)
        new = deploy.store.read(PATH)
        assert new["access_key_id"] == receipt.facts["key_id"] != deploy.leaked
        assert new["region"] == "eu-west-1"
        assert deploy.keys() == {deploy.leaked: "Active", new["access_key_id"]: "Active"}
        verdicts = [Rotate().verify(deploy.rotation, receipt, given)]
        watch = UnusedSettings(**deploy.old.model_dump())
        verdicts.append(ConfirmUnused().verify(watch, ConfirmUnused().apply(watch, given), given))
        with pytest.raises(RefusedError, match="still switched on"):
            Delete().apply(deploy.old, given)
        off = Deactivate().apply(deploy.old, given)
        verdicts.append(Deactivate().verify(deploy.old, off, given))
        assert deploy.keys()[deploy.leaked] == "Inactive"
        Deactivate().undo(deploy.old, off, given)
        assert deploy.keys()[deploy.leaked] == "Active"
        Deactivate().apply(deploy.old, given)
        gone = Delete().apply(deploy.old, given)
        verdicts.append(Delete().verify(deploy.old, gone, given))
        again = Delete().apply(deploy.old, given)
        assert "any more" in again.sentence
    assert deploy.keys() == {new["access_key_id"]: "Active"}
    assert [one.kind for one in verdicts] == [VerdictKind.CONFIRMED] * 4, verdicts
    assert verdicts[2].facts["old_value_refused"] is verdicts[3].facts["old_value_refused"] is True
    said = f"{receipt}{verdicts}{off}{gone}"
    assert deploy.secret not in said
    assert new["secret_access_key"] not in said


def test_rotated_twice_under_one_key_makes_one_key(deploy: Deploy) -> None:
    given = deploy.context()
    assert Rotate().apply(deploy.rotation, given) == Rotate().apply(deploy.rotation, given)
    assert len(deploy.keys()) == 2
    assert deploy.store.current(PATH) == 2


def test_the_third_key_is_refused_with_what_is_known_of_the_two(deploy: Deploy) -> None:
    other = deploy.aws.client("iam").create_access_key(UserName=deploy.name)["AccessKey"]
    with pytest.raises(RefusedError, match="two access keys already") as refused:
        Rotate().apply(deploy.rotation, deploy.context())
    assert deploy.leaked in refused.value.happened
    assert other["AccessKeyId"] in refused.value.happened
    assert "never used" in refused.value.happened
    assert len(deploy.keys()) == 2
    assert deploy.store.current(PATH) == 1


def lose(what: str) -> Meddle:
    """Carry out the first such call, and lose its answer."""
    lost: list[str] = []

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        if action(passed) != what or lost:
            return None
        lost.append(what)
        passed.forward()
        return 0, b""

    return meddle


def test_a_key_whose_making_was_not_heard_of_is_deleted_by_the_repeat(deploy: Deploy) -> None:
    with proxy(deploy.aws.address, lose("CreateAccessKey")) as address:
        given = deploy.context(address)
        with pytest.raises(UnavailableError):
            Rotate().apply(deploy.rotation, given)
        assert len(deploy.keys()) == 2  # one of them with a secret that nobody holds
        receipt = Rotate().apply(deploy.rotation, given)
    assert set(deploy.keys()) == {deploy.leaked, receipt.facts["key_id"]}
    assert deploy.store.read(PATH)["access_key_id"] == receipt.facts["key_id"]


@pytest.mark.parametrize("written", [True, False], ids=["written", "not written"])
def test_a_crash_around_the_write_leaves_one_new_key(deploy: Deploy, *, written: bool) -> None:
    def fall_over(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method != "PATCH" or "/data/" not in passed.path:
            return None
        if written:
            passed.forward()
        return 0, b""

    with proxy(deploy.store.address, fall_over) as address, pytest.raises(UnavailableError):
        Rotate().apply(deploy.rotation, deploy.context(store=address))
    receipt = Rotate().apply(deploy.rotation, deploy.context())
    assert set(deploy.keys()) == {deploy.leaked, receipt.facts["key_id"]}
    assert deploy.store.current(PATH) == 2
    assert deploy.store.read(PATH)["access_key_id"] == receipt.facts["key_id"]


def test_a_pair_that_cannot_be_stored_is_taken_back(deploy: Deploy) -> None:
    def be_faster(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            deploy.store.put(PATH, access_key_id="AKIAHUMAN", secret_access_key="typed-by-a-person")
        return None

    with proxy(deploy.store.address, be_faster) as address, pytest.raises(ConflictError):
        Rotate().apply(deploy.rotation, deploy.context(store=address))
    assert set(deploy.keys()) == {deploy.leaked}


@pytest.mark.parametrize(
    ("call", "answer", "error"),
    [
        ("ListAccessKeys", (403, b"AccessDenied"), AccessDeniedError),
        ("CreateAccessKey", (403, b"AccessDenied"), AccessDeniedError),
        ("CreateAccessKey", (409, b"LimitExceeded"), ConflictError),
        ("ListAccessKeys", (404, b"NoSuchEntity"), NotFoundError),
        ("ListAccessKeys", (503, b"ServiceUnavailable"), UnavailableError),
        ("ListAccessKeys", (0, b""), UnavailableError),
    ],
)
def test_each_failure_of_iam_has_its_error_and_makes_no_key(
    deploy: Deploy, call: str, answer: tuple[int, bytes], error: type[LocksmithError]
) -> None:
    status, code = answer
    body = b"<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>"

    def refuse(passed: Passed) -> tuple[int, bytes] | None:
        sent = body % (code, deploy.secret.encode())
        return (status, sent if status else b"") if action(passed) == call else None

    with proxy(deploy.aws.address, refuse) as address, pytest.raises(error) as raised:
        Rotate().apply(deploy.rotation, deploy.context(address))
    assert deploy.secret not in str(raised.value)
    if code == b"AccessDenied":
        assert f"iam:{call}" in raised.value.do_now
    assert set(deploy.keys()) == {deploy.leaked}


def test_a_key_deleted_under_us_counts_as_gone_and_is_still_tried(deploy: Deploy) -> None:
    deploy.aws.client("iam").delete_access_key(UserName=deploy.name, AccessKeyId=deploy.leaked)
    with proxy(deploy.aws.address, refusing(deploy)) as address:
        given = deploy.context(address)
        off = Deactivate().apply(deploy.old, given)
        assert "any more" in off.sentence
        assert Deactivate().verify(deploy.old, off, given).kind is VerdictKind.CONFIRMED
        with pytest.raises(RefusedError, match="cannot be switched on"):
            Deactivate().undo(deploy.old, off, given)


def test_a_key_that_is_off_and_yet_accepted_is_no_proof(deploy: Deploy) -> None:
    """This is moto as it is: IAM says inactive, and STS answers. So it is not believed."""
    given = deploy.context(seconds=2.0)
    off = Deactivate().apply(deploy.old, given)
    verdict = Deactivate().verify(deploy.old, off, given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "still accepts" in verdict.sentence


def test_silence_is_not_given_while_the_leaked_key_is_used(deploy: Deploy) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    used = (
        b"<GetAccessKeyLastUsedResponse><GetAccessKeyLastUsedResult><UserName>deploy</UserName>"
        b"<AccessKeyLastUsed><LastUsedDate>%s</LastUsedDate><Region>eu-west-1</Region>"
        b"<ServiceName>s3</ServiceName></AccessKeyLastUsed></GetAccessKeyLastUsedResult>"
        b"</GetAccessKeyLastUsedResponse>"
    ) % now

    def in_use(passed: Passed) -> tuple[int, bytes] | None:
        return (200, used) if action(passed) == "GetAccessKeyLastUsed" else None

    with proxy(deploy.aws.address, in_use) as address:
        given = deploy.context(address)
        watch = UnusedSettings(**deploy.old.model_dump(), wait_seconds=0)
        verdict = ConfirmUnused().verify(watch, Receipt(""), given)
    assert verdict.kind is VerdictKind.REFUTED
    assert "for s3 in eu-west-1" in verdict.sentence


def test_somebody_elses_key_is_not_deleted_as_a_left_over(deploy: Deploy) -> None:
    with proxy(deploy.store.address, _cut_data_writes()) as address:
        given = deploy.context(store=address)
        with pytest.raises(UnavailableError):
            Rotate().apply(deploy.rotation, given)
    (mine,) = set(deploy.keys()) - {deploy.leaked}
    iam = deploy.aws.client("iam")
    iam.delete_access_key(UserName=deploy.name, AccessKeyId=mine)
    theirs = iam.create_access_key(UserName=deploy.name)["AccessKey"]["AccessKeyId"]
    used = (
        b"<GetAccessKeyLastUsedResponse><GetAccessKeyLastUsedResult><AccessKeyLastUsed>"
        b"<LastUsedDate>2026-01-01T10:00:00Z</LastUsedDate><Region>r</Region><ServiceName>s3"
        b"</ServiceName></AccessKeyLastUsed></GetAccessKeyLastUsedResult>"
        b"</GetAccessKeyLastUsedResponse>"
    )
    answer: Callable[[Passed], tuple[int, bytes] | None] = lambda passed: (  # noqa: E731
        (200, used) if action(passed) == "GetAccessKeyLastUsed" else None
    )
    with (
        proxy(deploy.aws.address, answer) as address,
        pytest.raises(ConflictError, match="Somebody else made the key"),
    ):
        Rotate().apply(deploy.rotation, deploy.context(address))
    assert deploy.keys()[theirs] == "Active"


def _cut_data_writes() -> Meddle:
    def cut(passed: Passed) -> tuple[int, bytes] | None:
        return (0, b"") if passed.method == "PATCH" and "/data/" in passed.path else None

    return cut


def test_an_account_that_is_not_configured_and_a_ref_of_something_else(deploy: Deploy) -> None:
    given = deploy.context()
    other = deploy.rotation.model_copy(update={"user": "aws://999999999999/iam/user/deploy"})
    with pytest.raises(NotFoundError, match="No account 999999999999"):
        Rotate().apply(other, given)
    role = deploy.rotation.model_copy(update={"user": f"aws://{ACCOUNT}/iam/role/deploy"})
    with pytest.raises(LocksmithError, match="is no IAM user"):
        Rotate().apply(role, given)


def test_exactly_what_the_step_declares_suffices(deploy: Deploy) -> None:
    """IAM enforced: a bot with the policy of deploy/aws/act.json, and nothing else."""
    allowed = {"Effect": "Allow", "Action": sorted(_declared()), "Resource": "*"}
    given = deploy.context()
    with deploy.aws.as_user(allowed) as key:
        given = deploy.context(account=ACCOUNT, **key)
        receipt = Rotate().apply(deploy.rotation, given)
        off = Deactivate().apply(deploy.old, given)
        gone = Delete().apply(deploy.old, given)
        verdict = Delete().verify(deploy.old, gone, given)
    assert verdict.kind is VerdictKind.CONFIRMED, verdict
    assert "accepts the current one" in verdict.sentence
    assert set(deploy.keys()) == {receipt.facts["key_id"]}
    assert off.facts["key_id"] == deploy.leaked


def _declared() -> set[str]:
    rules = [
        p.rule for step in (Rotate, ConfirmUnused, Deactivate, Delete) for p in step.permissions
    ]
    return {word for rule in rules for word in rule.split('"') if word.startswith("iam:")}
