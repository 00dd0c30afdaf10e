"""Checks one AWS account: the credentials, and for each collector what it may do there."""

from collections.abc import Callable, Iterator

from bot.checks.finding import Checked, Outcome, failed
from graph.aws_api import AwsApi, Service, aws_errors
from graph.connections import Connections
from graph.errors import LocksmithError, NotFoundError

# A name that is not there: whoever may read gets “nothing is there”, others are refused.
_NOTHING = "locksmith-check-of-permissions"


def check_aws(name: str, connections: Connections) -> Iterator[Checked]:
    """Look at one configured account; every trouble is a finding, none is raised."""
    connection = f"aws {name}"
    settings = connections.aws_settings(name)
    try:
        api = connections.aws(name)
        with aws_errors(f"ask who the bot is in aws {name}", service="sts"):
            who = api.sts().get_caller_identity()
        yield Checked(connection, "log in", Outcome.OK, str(who["Arn"]))
    except LocksmithError as error:
        yield failed(connection, "log in", error)
        return
    if settings.account and who["Account"] != settings.account:
        yield Checked(
            connection,
            "account",
            Outcome.MISSING,
            f"the bot is in account {who['Account']}, the settings say {settings.account}",
            f"Correct aws.{name}.account, or give the bot credentials of that account.",
        )
    for service, purpose, call in _questions(api, values=settings.mode == "fingerprint"):
        try:
            with aws_errors(purpose, service=service):
                call()
        except NotFoundError:
            pass
        except LocksmithError as error:
            yield failed(connection, purpose, error)
            continue
        yield Checked(connection, purpose, Outcome.OK, service)


def _questions(api: AwsApi, *, values: bool) -> Iterator[tuple[Service, str, Callable[[], object]]]:
    secrets, parameters = api.secretsmanager(), api.ssm()
    yield "secretsmanager", "list secrets", lambda: secrets.list_secrets(MaxResults=1)
    yield (
        "secretsmanager",
        "list versions of a secret",
        lambda: [
            secrets.list_secret_version_ids(SecretId=one["ARN"])
            for one in secrets.list_secrets(MaxResults=1)["SecretList"]
        ],
    )
    yield (
        "secretsmanager",
        "read the policy of a secret",
        lambda: secrets.get_resource_policy(SecretId=_NOTHING),
    )
    yield "ssm", "list parameters", lambda: parameters.describe_parameters(MaxResults=1)
    if values:
        yield (
            "secretsmanager",
            "fingerprint the values of secrets",
            lambda: secrets.get_secret_value(SecretId=_NOTHING),
        )
        yield (
            "ssm",
            "fingerprint the values of parameters",
            lambda: parameters.get_parameter_history(Name=_NOTHING, WithDecryption=True),
        )
