"""
A local AWS (moto's server) for the whole run. Give each test its own names: it is shared.

Nothing leaves the machine: every client is given `endpoint_url`, and credentials that AWS itself
would not know. `Aws.as_user` makes an identity that has only the rights of one policy; who may
what is then decided by moto's own IAM.
"""

import json
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from graph.connections import AwsSettings, Connections

ACCOUNT = "123456789012"  # moto's own
REGION = "eu-west-1"
_KEY = ("AKIAIOSFODNN7TESTING", "not/a/key/of/anybody")


@dataclass(frozen=True, slots=True)
class Aws:
    """The server; `client` is an administrator's."""

    address: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id=_KEY[0],
            aws_secret_access_key=_KEY[1],
        )

    def settings(self, **given: Any) -> AwsSettings:
        chosen = {
            "region": REGION,
            "endpoint_url": self.address,
            "access_key_id": _KEY[0],
            "secret_access_key": _KEY[1],
            **given,
        }
        return AwsSettings(**chosen)

    def connections(self, **given: Any) -> Connections:
        return Connections({}, {}, {}, aws={"prod": self.settings(**given)})

    @contextmanager
    def as_user(self, *statements: dict[str, Any]) -> Iterator[dict[str, str]]:
        """Make a user with one policy, and have IAM enforced; yields settings of its key."""
        iam = self.client("iam")
        name = f"bot-{secrets.token_hex(4)}"
        iam.create_user(UserName=name)
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self._enforce_after(0)
        try:
            yield {
                "access_key_id": key["AccessKeyId"],
                "secret_access_key": key["SecretAccessKey"],
            }
        finally:
            self._enforce_after(float("inf"))

    def _enforce_after(self, calls: float) -> None:
        answer = httpx.post(f"{self.address}/moto-api/reset-auth", content=str(calls).encode())
        answer.raise_for_status()


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
    logging.getLogger("moto").setLevel(logging.INFO)  # at DEBUG it prints the requests
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Aws(f"http://{host}:{port}")
    finally:
        server.stop()
