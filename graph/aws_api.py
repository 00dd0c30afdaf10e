"""
The seam to AWS: one region of one account, its clients made once, its errors in our words.

A `ClientError` carries the service's own sentence, which may repeat what was sent, so none of them
travels: `aws_errors` turns each into one of `graph/errors.py`, names the IAM action that is
missing, and drops the original. What to call there is the callers' business.
Source: https://docs.aws.amazon.com/general/latest/gr/api-retries.html and the error lists of the
API references of Secrets Manager, Systems Manager, IAM and STS.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    import boto3
    from types_boto3_iam import IAMClient
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_ssm import SSMClient
    from types_boto3_sts import STSClient

Service = Literal["secretsmanager", "ssm", "iam", "sts"]

_CONNECT_SECONDS, _READ_SECONDS = 5, 30
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_NO_SUCH_CALLER = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "IncompleteSignature",
        "MissingAuthenticationToken",
    }
)
_NOT_FOUND = frozenset(
    {
        "ResourceNotFoundException",
        "ParameterNotFound",
        "ParameterVersionNotFound",
        "NoSuchEntity",
        "NoSuchEntityException",
    }
)
_CONFLICT = frozenset(
    {
        "ResourceExistsException",
        "ParameterAlreadyExists",
        "EntityAlreadyExists",
        "DeleteConflict",
        "ConcurrentModification",
        "EntityTemporarilyUnmodifiable",
        "LimitExceeded",
        "LimitExceededException",
        "ParameterMaxVersionLimitExceeded",
    }
)
_LATER = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "TooManyUpdates",
        "InternalServiceError",
        "InternalServerError",
        "InternalFailure",
        "ServiceFailure",
        "ServiceUnavailable",
    }
)
_CODE = re.compile(r"[A-Za-z.]{1,60}")


def statement(*actions: str, resource: str = "*") -> str:
    """Write the statement of an IAM policy that allows `actions`."""
    listed = ", ".join(f'"{action}"' for action in actions)
    return f'{{"Effect": "Allow", "Action": [{listed}], "Resource": "{resource}"}}'


@contextmanager
def aws_errors(doing: str, *, service: Service) -> Iterator[None]:
    """
    Translate what boto3 raises inside; `doing` completes "Could not …" ("list the secrets").

    `service` is the one that is called: its name begins the IAM action that a refusal names.

    Raises:
        AccessDeniedError: the action is not allowed, or the bot's credentials are not accepted.
        NotFoundError: there is no such thing.
        ConflictError: it is there already, is being changed, or its number is limited.
        BadInputError: AWS does not accept the request.
        UnavailableError: throttled, 5xx, no connection, no credentials found.
    """
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - as boto3, below

    try:
        yield
    except LocksmithError:
        raise
    except ClientError as error:
        raise _translate_answer(error, doing, service) from None
    except BotoCoreError as error:
        raise _translate_transport(error, doing) from None
    except (
        ResponseParserError,
        KeyError,
    ):  # its text repeats the whole answer; or a part is missing
        raise UnavailableError(
            f"Could not {doing}: the answer is not one of AWS.",
            means="Something between here and AWS may answer in its place.",
        ) from None


def error_code(error: ClientError) -> str:
    """Name what AWS calls the error; "" where it is no plain word."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else ""


def _translate_answer(error: ClientError, doing: str, service: Service) -> LocksmithError:
    happened = f"Could not {doing}: "
    code = error_code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    if code in _NO_SUCH_CALLER:
        return AccessDeniedError(
            f"{happened}AWS does not accept the bot's credentials ({code}).",
            means="The access key is unknown, switched off, expired, or its secret is wrong.",
            do_now="Give the bot another access key, or a role; check the clock of its machine.",
        )
    if code in _DENIED or status == HTTPStatus.FORBIDDEN:
        return AccessDeniedError(
            f"{happened}AWS answered: access denied.",
            means="The bot's identity lacks the permission, or a policy of the thing denies it.",
            do_now=f"Add to its policy: {statement(f'{service}:{error.operation_name}')}.",
        )
    if code in _NOT_FOUND:
        return NotFoundError(f"{happened}nothing is there.")
    if code in _CONFLICT:
        return ConflictError(
            f"{happened}AWS answered {code}.",
            means="Nothing was changed by this call.",
            do_now="Look at what is there now and decide again.",
        )
    if code in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(f"{happened}AWS asks for a later try ({code or status}).")
    return BadInputError(
        f"{happened}AWS did not accept the request ({code or status}).",
        do_now="Check the name, and the limits of this service, in its documentation.",
    )


def _translate_transport(error: BotoCoreError, doing: str) -> LocksmithError:
    happened = f"Could not {doing}: "
    if isinstance(error, NoCredentialsError | PartialCredentialsError | TokenRetrievalError):
        return UnavailableError(
            f"{happened}the bot has no credentials for AWS.",
            means="Neither the settings nor the environment, the pod or the machine give any.",
            do_now="Set `access_key_id` and `secret_access_key_file`, or a `profile`, or a role.",
        )
    if isinstance(error, ParamValidationError):
        return BadInputError(f"{happened}the request was malformed.")
    if isinstance(error, SSLError):
        return UnavailableError(
            f"{happened}its TLS certificate is not trusted.",
            do_now="Set `ca_cert` to the file with the authority's certificate.",
        )
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        return UnavailableError(f"{happened}AWS did not answer in time.")
    if isinstance(error, NoConnectionError):
        return UnavailableError(
            f"{happened}no connection to the address.",
            do_now="Check `region`, `endpoint_url` and the network between the bot and AWS.",
        )
    return UnavailableError(f"{happened}the SDK failed ({type(error).__name__}).")


class AwsApi:
    """One region of one account; safe to use from several threads. Call inside `aws_errors`."""

    def __init__(
        self,
        name: str,
        *,
        region: str,
        account: str = "",
        endpoint_url: str | None = None,
        profile: str = "",
        access_key_id: str = "",
        secret_access_key: str = "",
        session_token: str = "",
        ca_cert: str = "",
        tries: int = 4,
    ) -> None:
        self.name = name
        self.region = region
        self._account = account
        self._endpoint_url = endpoint_url
        self._ca_cert = ca_cert
        self._tries = tries
        self._lock = threading.Lock()
        self._clients: dict[Service, object] = {}
        import boto3  # noqa: PLC0415 - a third of a second, paid by who talks to AWS

        try:
            self._session = boto3.Session(
                aws_access_key_id=access_key_id or None,
                aws_secret_access_key=secret_access_key or None,
                aws_session_token=session_token or None,
                profile_name=profile or None,
                region_name=region,
            )
        except ProfileNotFound:
            raise BadInputError(
                f"aws.{name} names the profile “{profile}”, which is not there.",
                do_now="Add it to the AWS configuration files of the bot, or give an access key.",
            ) from None

    def account(self) -> str:
        """
        Return the number of the account; asked of STS once where the settings do not say it.

        Raises:
            AccessDeniedError, UnavailableError: the credentials are not accepted, or no answer.
        """
        if not self._account:
            with aws_errors(f"ask which account {self.name} is", service="sts"):
                self._account = self.sts().get_caller_identity()["Account"]
        return self._account

    def secretsmanager(self) -> "SecretsManagerClient":
        return cast("SecretsManagerClient", self._client("secretsmanager"))

    def ssm(self) -> "SSMClient":
        return cast("SSMClient", self._client("ssm"))

    def iam(self) -> "IAMClient":
        return cast("IAMClient", self._client("iam"))

    def sts(self) -> "STSClient":
        return cast("STSClient", self._client("sts"))

    def sts_as(
        self, access_key_id: str, secret_access_key: str, *, session_token: str = ""
    ) -> "STSClient":
        """Return STS for somebody else's access key: to ask whether it is accepted."""
        import boto3  # noqa: PLC0415 - as above

        other = boto3.Session(
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            aws_session_token=session_token or None,
            region_name=self.region,
        )
        return cast("STSClient", self._made(other, "sts"))

    def accepts(self, access_key_id: str, secret_access_key: str) -> tuple[bool | None, str]:
        """
        Try somebody else's access key, and say what AWS called it; None: proves nothing.

        Everybody may ask who he is, so a refusal is about the key and not about a permission.

        Raises:
            UnavailableError: no answer.
        """
        client = self.sts_as(access_key_id, secret_access_key)
        try:
            with aws_errors("try an access key", service="sts"):
                try:
                    client.get_caller_identity()
                except ClientError as error:
                    code = error_code(error)
                    if code == "InvalidClientTokenId":
                        return False, code
                    if code in _LATER or not code:
                        raise
                    return None, code
        finally:
            client.close()
        return True, "accepted"

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()  # type: ignore[attr-defined]
            self._clients.clear()

    def _client(self, service: Service) -> object:
        with self._lock:  # a session is not made for threads; a client is
            client = self._clients.get(service)
            if client is None:
                client = self._clients[service] = self._made(self._session, service)
        return client

    def _made(self, session: "boto3.Session", service: Service) -> object:
        from botocore.config import Config  # noqa: PLC0415 - as boto3, above

        return session.client(
            service,
            endpoint_url=self._endpoint_url,
            verify=self._ca_cert or None,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": self._tries},
                user_agent_extra="locksmith",
            ),
        )
