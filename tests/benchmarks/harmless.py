"""
Texts that look like secrets and are none: more than 200, made anew at each run.

What people paste into chats and commit into repositories all day: hashes, identifiers, lock files,
pictures in base64, style sheets, minified code, certificates, references and placeholders.
"""

import base64
import hashlib
import random
import textwrap
import uuid
from collections.abc import Callable, Iterator

from tests.benchmarks.labelled import BASE32, BASE62, HEX, LOWER, UPPER, WEB, run

Make = Callable[[random.Random], str]


def harmless(seed: int) -> Iterator[tuple[str, str]]:
    """Give (family, text): each family ten times."""
    chance = random.Random(seed)  # noqa: S311 - the same texts for every scanner
    for family, makers in FAMILIES.items():
        for number in range(10):
            yield family, makers[number % len(makers)](chance)


def _raw(chance: random.Random, size: int) -> bytes:
    return bytes(chance.getrandbits(8) for _ in range(size))


def _b64(chance: random.Random, size: int) -> str:
    return base64.b64encode(_raw(chance, size)).decode()


def _hash(size: int) -> Make:
    return lambda chance: run(chance, HEX, size)


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _said(words: str, *makers: Make) -> Make:
    def make(chance: random.Random) -> str:
        text = words
        for each in makers:
            text = text.replace("{}", each(chance), 1)
        return text

    return make


def _always(words: str) -> Make:
    return lambda _: words


def _picture(head: bytes, kind: str) -> Make:
    def make(chance: random.Random) -> str:
        content = base64.b64encode(head + _raw(chance, 900)).decode()
        return f'<img alt="logo" src="data:image/{kind};base64,{content}">'

    return make


def _css(chance: random.Random) -> str:
    rules = []
    for _ in range(8):
        color, name = run(chance, HEX, 6), run(chance, LOWER, 7)
        rules.append(
            f".{name}-{run(chance, BASE62, 5)}{{color:#{color};background:url(/static/{name}."
            f"{run(chance, HEX, 8)}.woff2);transform:translate3d(0,-{chance.randrange(99)}px,0)}}"
        )
    return "".join(rules)


def _script(chance: random.Random) -> str:
    parts = [
        f"function {run(chance, LOWER, 1)}(e,t){{return e.{run(chance, LOWER, 6)}(t,"
        f"{chance.randrange(9999)})?n.{run(chance, LOWER, 5)}[{chance.randrange(99)}]:void 0}}"
        f"var {run(chance, LOWER, 2)}=r({chance.randrange(99999)}),"
        f'{run(chance, LOWER, 1)}="{run(chance, LOWER, 6)}-{run(chance, LOWER, 5)}";'
        for _ in range(6)
    ]
    return "!" + "".join(parts)


def _certificate(chance: random.Random) -> str:
    body = "\n".join(textwrap.wrap("MIID" + _b64(chance, 700), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"


def _public_key(chance: random.Random) -> str:
    body = "\n".join(textwrap.wrap("MIIB" + _b64(chance, 270), 64))
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----"


def _ssh_public(chance: random.Random) -> str:
    return f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{_b64(chance, 32)[:43]} ana@laptop"


def _sums(chance: random.Random) -> str:
    names = ("app.tar.gz", "app.zip", "app.deb")
    return "\n".join(f"{hashlib.sha256(_raw(chance, 9)).hexdigest()}  {name}" for name in names)


FAMILIES: dict[str, tuple[Make, ...]] = {
    "git hashes": (
        _said("commit {}\nAuthor: Ana <ana@example.com>", _hash(40)),
        _said("reverts {} and {}", _hash(40), _hash(12)),
        _said("index {}..{} 100644", _hash(7), _hash(7)),
        _said("https://github.com/acme/shop/commit/{}", _hash(40)),
        _said("FROM base@{} AS build", _hash(40)),
    ),
    "uuids": (
        _said("request {} failed with 500", _uuid),
        _said("tenant_id: {}\nsubscription: {}", _uuid, _uuid),
        _said('{"id": "{}", "parent": "{}"}', _uuid, _uuid),
        _said("https://app.example.com/orders/{}/items", _uuid),
        _said("urn:uuid:{}", _uuid),
    ),
    "package-lock.json": (
        _said('"integrity": "sha512-{}",', lambda chance: _b64(chance, 64)),
        _said('"resolved": "https://registry.npmjs.org/ms/-/ms-2.1.3.tgz#{}",', _hash(40)),
    ),
    "yarn.lock": (
        _said('  resolved "https://registry.yarnpkg.com/ms/-/ms-2.1.2.tgz#{}"\n'
              "  integrity sha512-{}", _hash(40), lambda chance: _b64(chance, 64)),
    ),
    "go.sum": (
        _said("golang.org/x/sys v0.13.0 h1:{}", lambda chance: _b64(chance, 32)),
        _said("github.com/acme/lib v1.2.3/go.mod h1:{}", lambda chance: _b64(chance, 32)),
    ),
    "Cargo.lock and poetry.lock": (
        _said('checksum = "{}"', _hash(64)),
        _said('{file = "idna-3.7-py3-none-any.whl", hash = "sha256:{}"},', _hash(64)),
        _said("    --hash=sha256:{}", _hash(64)),
    ),
    "pictures in base64": (
        _picture(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "png"),
        _picture(b"\xff\xd8\xff\xe0\0\x10JFIF", "jpeg"),
        _picture(b"GIF89a", "gif"),
    ),
    "style sheets": (_css,),
    "minified code": (_script,),
    "checksums": (
        _sums,
        _said("SHA256 (app.iso) = {}", _hash(64)),
        _said("md5: {}", _hash(32)),
        _said('ETag: "{}"', _hash(32)),
    ),
    "image digests": (
        _said("image: registry.example.com/api@sha256:{}", _hash(64)),
        _said("containerID: containerd://{}", _hash(64)),
    ),
    "traces": (
        _said("traceparent: 00-{}-{}-01", _hash(32), _hash(16)),
        _said('{"trace_id": "{}", "span_id": "{}", "level": "info"}', _hash(32), _hash(16)),
        _said("X-Amzn-Trace-Id: Root=1-{}-{}", _hash(8), _hash(24)),
        _said("X-Request-Id: {}", _hash(32)),
    ),
    "arns and resources": (
        _said("arn:aws:iam::111122223333:role/deploy-{}", lambda c: run(c, BASE62, 12)),
        _said("arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-{}",
              lambda c: run(c, BASE62, 6)),
        _said("vpc-{} subnet-{} i-{}", _hash(17), _hash(17), _hash(17)),
        _said("/subscriptions/{}/resourceGroups/prod/providers/Microsoft.KeyVault/vaults/acme",
              _uuid),
    ),
    "placeholders": (
        _always("DB_PASSWORD=${DB_PASSWORD}"),
        _always("password: <your-password-here>"),
        _always("api_key = YOUR_API_KEY_GOES_HERE"),
        _always("token: {{ .Values.gateway.token }}"),
        _always("SECRET_KEY=changeme"),
        _always("AWS_SECRET_ACCESS_KEY=****************"),
        _always("export GITHUB_TOKEN=xxxxxxxxxxxxxxxxxxxxxxxx"),
        _always("password: ENC[AES256_GCM,data:redacted]"),
        _always("client_secret: $CLIENT_SECRET"),
        _always("Authorization: Bearer <token>"),
    ),
    "code about secrets": (
        _always('token = os.environ["GATEWAY_TOKEN"]'),
        _always("password = get_password_from_vault(config.path)"),
        _always("const secret = await client.getSecretValue({ SecretId: name });"),
        _always('if (password === "") { throw new Error("password required"); }'),
        _always("api_key: str = Field(default_factory=read_api_key)"),
        _always("self.access_token = response.json()['access_token']"),
        _always("private String passwordHashAlgorithm = PBKDF2WithHmacSHA256;"),
        _always("auth_token_expiry_seconds = 3600"),
        _always("secretKeyRef:\n  name: payments-gateway\n  key: token"),
        _always("func NewTokenAuthenticator(tokenReviewer TokenReviewInterface) *Auth {"),
    ),
    "references to secrets": (
        _always("vault kv get -field=password kv/payments/database"),
        _always("secretName: payments-gateway-credentials"),
        _always("remoteRef:\n  key: payments/gateway\n  property: webhook-secret"),
        _always("vault://main/kv/payments/gateway#token"),
        _always("passwordSecretRef: postgres-superuser-credentials"),
    ),
    "kubernetes objects": (
        _said('uid: {}\nresourceVersion: "8812345"', _uuid),
        _said("pod/api-{}-{} 1/1 Running", lambda c: run(c, HEX, 10), lambda c: run(c, LOWER, 5)),
        _said("pod-template-hash: {}", lambda c: run(c, HEX, 10)),
        _said("checksum/config: {}", _hash(64)),
    ),
    "certificates and public keys": (_certificate, _public_key, _ssh_public),
    "web pages": (
        _said('<script src="/app.js" integrity="sha384-{}" crossorigin="anonymous">',
              lambda chance: _b64(chance, 48)),
        _said("/static/js/main.{}.chunk.js", _hash(20)),
        _said("https://docs.google.com/document/d/1{}/edit", lambda c: run(c, WEB, 43)),
        _said("https://www.youtube.com/watch?v={}", lambda c: run(c, WEB, 11)),
        _said("https://acme.slack.com/archives/C{}/p{}", lambda c: run(c, UPPER + "0123456789", 10),
              lambda c: run(c, "0123456789", 16)),
    ),
    "sortable ids": (
        _said("order_id=01{}", lambda c: run(c, UPPER + "0123456789", 24)),
        _said("message id {}", lambda c: run(c, BASE32, 26)),
        _said("cus_{}", lambda c: run(c, BASE62, 14)),
        _said("session started: run_{}", lambda c: run(c, LOWER + "0123456789", 24)),
    ),
    "logs": (
        _said("2026-11-20T09:12:44.123456Z INFO [main] c.a.shop.Pay - order {} done", _hash(24)),
        _said("Segmentation fault at 0x{} in libssl.so.3 (build-id {})", _hash(12), _hash(40)),
        _said("GET /api/v2/orders?cursor={}&limit=50 200", lambda c: run(c, BASE62, 40)),
        _always("Failed password for invalid user admin from 203.0.113.7 port 51234 ssh2"),
        _always("token expired, refreshing credentials for user deploy-bot@example.com"),
    ),
    "sentences": (
        _always("the secret is out: we ship on Friday"),
        _always("password: must have at least twelve characters and a digit"),
        _always("Who rotates the payments-gateway-token this quarter?"),
        _always("see docs/how-to-rotate-database-credentials-without-downtime.md"),
        _always("My token of appreciation for everybody who stayed late yesterday"),
    ),
}  # fmt: skip
