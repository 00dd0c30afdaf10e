"""The seam to AWS against moto's server: who we are, what is refused, and what no error repeats."""

import pytest
from pydantic import ValidationError

from bot.sandbox.loopback import free_port
from graph.connections import AwsSettings, Connections, aws_errors
from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from tests.servers.aws import ACCOUNT, REGION, Aws

CANARY = "CANARYaws9fQ2xLbV7rTz"


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({}, "region"),
        ({"region": "eu-west-1", "access_key_id": CANARY}, "belong together"),
        ({"region": "eu-west-1", "secret_access_key": CANARY}, "belong together"),
        ({"region": "eu-west-1", "account": CANARY}, "account"),
        (
            {
                "region": "eu-west-1",
                "profile": "p",
                "access_key_id": "A",
                "secret_access_key": CANARY,
            },
            "not both",
        ),
        ({"region": "eu-west-1", "mode": "everything"}, "mode"),
        ({"region": "eu-west-1", "colour": CANARY}, "colour"),
    ],
)
def test_wrong_settings_are_refused_without_repeating_a_value(settings, hint):
    with pytest.raises(ValidationError) as caught:
        AwsSettings(**settings)
    assert hint in str(caught.value)
    assert CANARY not in str(caught.value)


def test_the_account_is_asked_of_sts_where_the_settings_do_not_say_it(aws: Aws):
    assert aws.connections().aws("prod").account() == ACCOUNT
    assert aws.connections(account="111122223333").aws("prod").account() == "111122223333"


def test_a_client_is_made_once_and_names_are_told(aws: Aws):
    connections = aws.connections()
    api = connections.aws("prod")
    assert connections.aws_names == ("prod",)
    assert connections.aws("prod") is api
    assert api.ssm() is api.ssm()
    with pytest.raises(NotFoundError, match="prod"):
        connections.aws("other")
    connections.close()


def test_what_is_not_there_and_what_is_there_already(aws: Aws):
    api = aws.connections().aws("prod")
    with (
        pytest.raises(NotFoundError, match="read it: nothing"),
        aws_errors("read it", service="secretsmanager"),
    ):
        api.secretsmanager().get_secret_value(SecretId="none-such")
    api.secretsmanager().create_secret(Name="seam/twice", SecretString=CANARY)
    with (
        pytest.raises(ConflictError, match="ResourceExists") as caught,
        aws_errors("make it", service="secretsmanager"),
    ):
        api.secretsmanager().create_secret(Name="seam/twice", SecretString=CANARY)
    assert CANARY not in str(caught.value)
    with pytest.raises(BadInputError) as refused, aws_errors("put", service="ssm"):
        api.ssm().put_parameter(Name=f"aws-{CANARY}", Value=CANARY, Type="String", Tier="Odd")
    assert CANARY not in str(refused.value)
    with pytest.raises(BadInputError, match="malformed"), aws_errors("x", service="ssm"):
        api.ssm().get_parameter()  # type: ignore[call-arg]


def test_a_refusal_names_the_statement_that_is_missing(aws: Aws):
    allowed = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
    with aws.as_user(allowed) as key:
        api = aws.connections(**key).aws("prod")
        assert api.account() == ACCOUNT
        with (
            pytest.raises(AccessDeniedError) as caught,
            aws_errors("list", service="secretsmanager"),
        ):
            api.secretsmanager().list_secrets()
    assert '"Action": ["secretsmanager:ListSecrets"]' in caught.value.do_now


def test_a_key_that_nobody_knows_is_told_apart_from_a_missing_right(aws: Aws):
    allowed = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
    with aws.as_user(allowed):
        api = aws.connections(access_key_id="AKIANOBODYKNOWSME000").aws("prod")
        with pytest.raises(AccessDeniedError, match="does not accept the bot's credentials"):
            api.account()


def test_no_connection_is_unavailable(aws: Aws):
    nowhere = f"http://127.0.0.1:{free_port()}"
    api = aws.connections(endpoint_url=nowhere).aws("prod")
    with pytest.raises(UnavailableError, match="no connection"):
        api.account()


def test_no_credentials_and_an_unknown_profile_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    bare = Connections({}, {}, {}, aws={"prod": AwsSettings(region=REGION)})
    with pytest.raises(UnavailableError, match="no credentials") as caught:
        bare.aws("prod").account()
    assert "secret_access_key_file" in caught.value.do_now
    named = Connections({}, {}, {}, aws={"prod": AwsSettings(region=REGION, profile="none-such")})
    with pytest.raises(BadInputError, match="none-such"):
        named.aws("prod")


def test_somebody_elses_key_is_asked_about_apart_from_ours(aws: Aws):
    api = aws.connections().aws("prod")
    with aws_errors("ask", service="sts"):
        said = api.sts_as("AKIAIOSFODNN7EXAMPLE", CANARY).get_caller_identity()
    assert said["Account"] == ACCOUNT
