"""What the tests of the steps share: a context, a store of their own, and a proxy that cheats."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import hvac

from bot.sandbox.issuer import Paygate
from graph.connections import (
    AwsSettings,
    Connections,
    HttpCall,
    HttpSettings,
    IssuerSettings,
    KubernetesSettings,
    ProviderSettings,
    VaultSettings,
)
from graph.fingerprints import Fingerprinter, generate_key
from graph.secret_value import SecretValue
from responders.step import Receipt, StepContext

FINGERPRINTER = Fingerprinter(SecretValue(generate_key()))

# Exactly what the steps declare, on one mount: that it suffices is part of the tests.
POLICY = """
path "{mount}/metadata/*" {{ capabilities = ["read", "patch"] }}
path "{mount}/data/*" {{ capabilities = ["read", "patch"] }}
path "{mount}/destroy/*" {{ capabilities = ["update"] }}
path "auth/token/lookup-accessor" {{ capabilities = ["update"] }}
path "auth/token/revoke-accessor" {{ capabilities = ["update"] }}
"""
LISTING = 'path "auth/token/accessors" { capabilities = ["list", "sudo"] }'

BEGAN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)  # one try of a step, as long as no person retries


def context(
    connections: Connections,
    key: str = "incident-1:plan:step",
    *,
    receipts: Mapping[str, Receipt] | None = None,
    progress: Callable[[str], None] = lambda _: None,
    seconds: float = 30.0,
    began: datetime = BEGAN,
) -> StepContext:
    return StepContext(
        connections=connections,
        fingerprinter=FINGERPRINTER,
        key=key,
        began=began,
        incident_id="incident-1",
        receipts={} if receipts is None else receipts,
        progress=progress,
        now=lambda: datetime.now(UTC),
        deadline=datetime.now(UTC) + timedelta(seconds=seconds),
    )


@dataclass
class Store:
    """A KV mount of a running OpenBao, for one test; `token` may do what the steps declare."""

    address: str
    root: hvac.Client
    mount: str
    token: str
    opened: list[Connections] = field(default_factory=list)

    def ref(self, path: str) -> str:
        return f"vault://main/{self.mount}/{path}"

    def put(self, path: str, **fields: str) -> int:
        answer = self.root.secrets.kv.v2.create_or_update_secret(
            path, fields, mount_point=self.mount
        )
        return int(answer["data"]["version"])

    def read(self, path: str, version: int | None = None) -> dict[str, str]:
        answer = self.root.secrets.kv.v2.read_secret_version(
            path, version=version, mount_point=self.mount, raise_on_deleted_version=True
        )
        fields: dict[str, str] = answer["data"]["data"]
        return fields

    def current(self, path: str) -> int:
        answer = self.root.secrets.kv.v2.read_secret_metadata(path, mount_point=self.mount)
        return int(answer["data"]["current_version"])

    def connections(
        self,
        *,
        address: str = "",
        token: str = "",
        issuers: Mapping[str, IssuerSettings] | None = None,
        clusters: Mapping[str, KubernetesSettings] | None = None,
        providers: Mapping[str, str] | None = None,
        http_hosts: tuple[str, ...] = (),
        aws: AwsSettings | None = None,
    ) -> Connections:
        settings = VaultSettings.model_validate(
            {"address": address or self.address, "token": token or self.token}
        )
        opened = Connections(
            {"main": settings},
            clusters or {},
            issuers or {},
            providers={
                name: ProviderSettings(base_url=there) for name, there in (providers or {}).items()
            },
            http=HttpSettings(hosts=http_hosts),
            aws={"prod": aws} if aws else None,
        )
        self.opened.append(opened)
        return opened


def paygate(server: Paygate, *, address: str = "") -> IssuerSettings:
    """Describe the stand-in as a user would in the configuration."""
    return IssuerSettings.model_validate(
        {
            "base_url": address or server.address,
            "admin_token": server.admin_token,
            "create": {"path": "/v1/tokens", "body": {"name": "shop {mark}"}, "ok": [201]},
            "revoke": {"path": "/v1/tokens/revoke", "body": {"token": "{token}"}, "ok": [200]},
            "revoke_by_id": HttpCall(method="DELETE", path="/v1/tokens/{id}", ok=(204,)),
            "find": {"path": "/v1/tokens", "items": "tokens"},
            "probe": {"method": "GET", "path": "/v1/account", "ok": [200], "dead": [401]},
        }
    )


@dataclass(frozen=True)
class Passed:
    """One request on its way through the proxy."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    forward: Callable[[], tuple[int, bytes]]


Meddle = Callable[[Passed], tuple[int, bytes] | None]


@contextmanager
def proxy(target: str, meddle: Meddle) -> Iterator[str]:
    """
    Stand between the bot and a real server, and give its address.

    `meddle` answers a request in the server's place, forwards it and lies about the answer, or
    returns None to let it pass. An answer with the status 0 cuts the connection.
    """

    class Between(BaseHTTPRequestHandler):
        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {"host", "content-length", "connection", "accept-encoding"}
            }

            def forward() -> tuple[int, bytes]:
                answer = httpx.request(
                    self.command, target + self.path, content=body, headers=headers, trust_env=False
                )
                return answer.status_code, answer.content

            passed = Passed(self.command, self.path, body, dict(self.headers), forward)
            status, payload = meddle(passed) or forward()
            self.close_connection = True
            if not status:
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_LIST = _pass  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pretend(part: str) -> Meddle:
    """Answer a change with success, and do nothing: the shape of hashicorp/vault#29392."""

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        return (204, b"") if passed.method in {"POST", "PUT"} and part in passed.path else None

    return meddle


def lose(part: str) -> Meddle:
    """Let a change pass, and lose the answer."""

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method in {"POST", "PUT", "PATCH"} and part in passed.path:
            passed.forward()
            return 502, b""
        return None

    return meddle


def after(
    given: StepContext, key: str = "incident-1:plan:step", **receipts: Receipt
) -> StepContext:
    return context(given.connections, key, receipts=receipts, seconds=20)
