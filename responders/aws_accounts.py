"""
AWS accounts by ref, the access keys of an IAM user, and whether AWS accepts one.

Why here: the steps for access keys and for Secrets Manager find their account in the same way.
A ref says the number of the account ("aws://111122223333/iam/user/deploy"), the configuration
has names (`aws.NAME`): the one of that account is looked for, by what it says itself or STS.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html and
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
"""

from dataclasses import dataclass
from datetime import datetime

from graph import refs
from graph.aws_api import AwsApi, aws_errors
from graph.connections import Connections
from graph.errors import BadInputError, LocksmithError, NotFoundError
from graph.secret_value import SecretValue
from responders.probing import Answer

MOST_KEYS = 2  # of one IAM user: a quota that AWS does not raise
_USER = "like aws://111122223333/iam/user/deploy"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One access key as IAM lists it; `status` is Active or Inactive."""

    identifier: str
    status: str
    created: datetime

    def __str__(self) -> str:
        return f"{self.identifier} ({self.status.lower()}, made {self.created:%Y-%m-%d %H:%M})"


@dataclass(frozen=True, slots=True)
class LastUse:
    """When, where and for what a key was used last; `at` None: never, as far as IAM knows."""

    at: datetime | None
    region: str
    service: str

    def __str__(self) -> str:
        if self.at is None:
            return "never used"
        return f"last used {self.at:%Y-%m-%d %H:%M} UTC for {self.service} in {self.region}"


class IamUser:
    """
    One IAM user and its access keys.

    Every method raises AccessDeniedError, NotFoundError, ConflictError or UnavailableError.
    """

    def __init__(self, ref: str, connections: Connections) -> None:
        self.ref = ref
        path = _path(ref)
        if len(path) != 4 or path[1:3] != ("iam", "user"):  # noqa: PLR2004 - ACCOUNT/iam/user/NAME
            raise BadInputError(f"{ref} is no IAM user.", do_now=f"Give a ref {_USER}.")
        self.name = path[3]
        self._api = account_of(path[0], connections)

    def keys(self) -> tuple[AccessKey, ...]:
        with aws_errors(f"list the access keys of {self.name}", service="iam"):
            listed = self._api.iam().list_access_keys(UserName=self.name)["AccessKeyMetadata"]
            found = [AccessKey(k["AccessKeyId"], k["Status"], k["CreateDate"]) for k in listed]
        return tuple(sorted(found, key=lambda key: key.created))

    def key(self, identifier: str) -> AccessKey | None:
        return next((key for key in self.keys() if key.identifier == identifier), None)

    def last_use(self, identifier: str) -> LastUse:
        with aws_errors(f"ask when {identifier} was used last", service="iam"):
            answer = self._api.iam().get_access_key_last_used(AccessKeyId=identifier)
            used = answer["AccessKeyLastUsed"]
        return LastUse(
            used.get("LastUsedDate"), used.get("Region", "?"), used.get("ServiceName", "?")
        )

    def create(self) -> tuple[str, SecretValue]:
        """Make a key: its id, and its secret, which AWS never shows again."""
        with aws_errors(f"make an access key for {self.name}", service="iam"):
            made = self._api.iam().create_access_key(UserName=self.name)["AccessKey"]
            return made["AccessKeyId"], SecretValue(made["SecretAccessKey"])

    def switch(self, identifier: str, *, on: bool) -> None:
        with aws_errors(f"switch {identifier} {'on' if on else 'off'}", service="iam"):
            self._api.iam().update_access_key(
                UserName=self.name, AccessKeyId=identifier, Status="Active" if on else "Inactive"
            )

    def delete(self, identifier: str) -> None:
        with aws_errors(f"delete {identifier}", service="iam"):
            try:
                self._api.iam().delete_access_key(UserName=self.name, AccessKeyId=identifier)
            except self._api.iam().exceptions.NoSuchEntityException:
                return

    def probe(self, identifier: str, secret: SecretValue) -> Answer:
        """Ask STS who this key is; needs no permission."""
        accepted, said = self._api.accepts(identifier, secret.reveal().strip())
        if accepted is None:
            return Answer(None, f"AWS answered {said}, which proves neither life nor death")
        return Answer(accepted, f"sts:GetCallerIdentity with it: {said}")


def account_of(number: str, connections: Connections, region: str = "") -> AwsApi:
    """
    Find the configured account of this number, in this region ("" for any).

    Raises:
        NotFoundError: there is none; who could not be asked is said too.
    """
    silent: list[str] = []
    for name in connections.aws_names:
        api = connections.aws(name)
        if region and api.region != region:
            continue
        try:
            if api.account() == number:
                return api
        except LocksmithError as error:
            silent.append(f"{name}: {error.happened}")
    where = f" in {region}" if region else ""
    raise NotFoundError(
        f"No account {number}{where} is configured.",
        means=f"Not known is which account these are: {' '.join(silent)}" if silent else "",
        do_now="Add it to the section `aws` of the configuration.",
    )


def secret_of(ref: str, connections: Connections) -> tuple[AwsApi, str]:
    """
    Find the account and the name of a secret in Secrets Manager.

    Raises:
        BadInputError: the ref names something else. NotFoundError: no such account.
    """
    path = _path(ref)
    if len(path) < 4 or path[2] != "secretsmanager":  # noqa: PLR2004 - ACCOUNT/REGION/…/NAME
        raise BadInputError(
            f"{ref} is no secret of AWS Secrets Manager.",
            do_now="Give a ref like aws://111122223333/eu-west-1/secretsmanager/orders.",
        )
    return account_of(path[0], connections, path[1]), "/".join(path[3:])


def _path(ref: str) -> tuple[str, ...]:
    parts = refs.parse(refs.split_key(ref)[0])
    if parts.scheme != "aws":
        raise BadInputError(f"{ref} is not in AWS.", do_now="Give a ref that begins with aws://.")
    return parts.path
