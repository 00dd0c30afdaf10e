"""
Tokens of many kinds, made anew at each run: valid by their documented form, checksums included.

No token stands in the repository. Each kind says in which words people paste it; `{}` is the value.
A kind without telling letters of its own (32 hex digits) has only words that name its owner.
Sources: the issuers' pages on the form of their tokens, and for GitHub, npm, Grafana and Atlassian
what they say of the checksum (github.blog, "Behind GitHub's new authentication token formats").
"""

import base64
import hashlib
import hmac
import json
import random
import string
import textwrap
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
BASE62 = DIGITS + UPPER + LOWER
HEX = DIGITS + "abcdef"
WEB = BASE62 + "-_"
BASE32 = UPPER + "234567"
CHAT = "hey, I think I pasted {} into the ticket, sorry"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of token: how to make one, and the words around it."""

    name: str
    make: Callable[[random.Random], str]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One text with one value in it."""

    kind: str
    text: str
    value: str


def samples(seed: int, *, of_each: int = 3) -> Iterator[Sample]:
    """Make `of_each` values of each kind, each in each of its words."""
    chance = random.Random(seed)  # noqa: S311 - the same texts for every scanner
    for kind in KINDS:
        for _ in range(of_each):
            for words in kind.words:
                value = kind.make(chance)
                yield Sample(kind.name, words.replace("{}", value), value)


def run(chance: random.Random, letters: str, size: int) -> str:
    """Pick random letters that hold a digit and a letter, as all but one in a million do."""
    while True:
        made = "".join(chance.choice(letters) for _ in range(size))
        if len(set(made)) > min(size, len(letters)) // 3:
            return made


def _prefixed(name: str, prefix: str, letters: str, size: int, *words: str, end: str = "") -> Kind:
    return Kind(name, lambda chance: prefix + run(chance, letters, size) + end, (CHAT, *words))


def _named(name: str, letters: str, size: int, *words: str) -> Kind:
    return Kind(name, lambda chance: run(chance, letters, size), words)


def _base62(number: int, size: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits.rjust(size, "0")


def _crc62(prefix: str) -> Callable[[random.Random], str]:
    """GitHub and npm: 30 letters, then their CRC32 in base62."""

    def make(chance: random.Random) -> str:
        body = run(chance, BASE62, 30)
        return prefix + body + _base62(zlib.crc32(body.encode()), 6)

    return make


def _crc_hex(prefix: str, letters: str, size: int, mark: str) -> Callable[[random.Random], str]:
    """Grafana and Atlassian: a CRC32 in hex at the end."""

    def make(chance: random.Random) -> str:
        body = prefix + run(chance, letters, size)
        return f"{body}{mark}{zlib.crc32(body.encode()):08x}"

    return make


def _raw(chance: random.Random, size: int) -> bytes:
    return bytes(chance.getrandbits(8) for _ in range(size))


def _b64(content: bytes, *, web: bool = False) -> str:
    made = base64.urlsafe_b64encode(content) if web else base64.b64encode(content)
    return made.decode().rstrip("=") if web else made.decode()


def _jwt(claims: dict[str, object], chance: random.Random) -> str:
    head = _b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode(), web=True)
    body = _b64(json.dumps(claims).encode(), web=True)
    signature = hmac.digest(_raw(chance, 32), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{_b64(signature, web=True)}"


def _session(chance: random.Random) -> str:
    return _jwt({"sub": str(uuid.UUID(int=chance.getrandbits(128))), "exp": 1893456000}, chance)


def _account(chance: random.Random) -> str:
    space = run(chance, LOWER, 8)
    return _jwt(
        {
            "iss": "kubernetes/serviceaccount",
            "kubernetes.io/serviceaccount/namespace": space,
            "sub": f"system:serviceaccount:{space}:deployer",
        },
        chance,
    )


def _supabase(chance: random.Random) -> str:
    return _jwt({"iss": "supabase", "ref": run(chance, LOWER, 20), "role": "service_role"}, chance)


def _age(chance: random.Random) -> str:
    """Bech32 (BIP 173) with its checksum, in capitals."""
    data = [chance.randrange(32) for _ in range(51)] + [chance.choice((0, 16))]
    human = "age-secret-key-"
    values = [ord(each) >> 5 for each in human] + [0] + [ord(each) & 31 for each in human] + data
    sum_of_all = 1
    for value in [*values, 0, 0, 0, 0, 0, 0]:
        top = sum_of_all >> 25
        sum_of_all = (sum_of_all & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            sum_of_all ^= generator if (top >> bit) & 1 else 0
    check = [((sum_of_all ^ 1) >> 5 * (5 - place)) & 31 for place in range(6)]
    return (human + "1" + "".join(_BECH32[each] for each in data + check)).upper()


def _pem(kind: str) -> Callable[[random.Random], str]:
    """A real key; three of a kind are enough, because making one takes its time."""
    keys = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "openssh": ed25519.Ed25519PrivateKey.generate,
    }
    forms = {
        "rsa": serialization.PrivateFormat.TraditionalOpenSSL,
        "ec": serialization.PrivateFormat.PKCS8,
        "openssh": serialization.PrivateFormat.OpenSSH,
    }

    @cache
    def made(_number: int) -> str:
        key = keys[kind]()
        return key.private_bytes(
            serialization.Encoding.PEM, forms[kind], serialization.NoEncryption()
        ).decode()

    return lambda chance: made(chance.randrange(3)).strip()


def _pgp(chance: random.Random) -> str:
    body = "\n".join(textwrap.wrap(_b64(_raw(chance, 600)), 64))
    word = "PRIVATE KEY BLOCK"
    return f"-----BEGIN PGP {word}-----\n\n{body}\n=aB1c\n-----END PGP {word}-----"


def _password(chance: random.Random) -> str:
    return run(chance, BASE62, 14) + chance.choice("!*-_") + run(chance, DIGITS, 2)


def _telegram(chance: random.Random) -> str:
    return f"{chance.randrange(10**9, 10**10)}:AA{run(chance, WEB, 33)}"


def _discord(chance: random.Random) -> str:
    number = _b64(str(chance.randrange(10**17, 10**18)).encode(), web=True)
    return f"{number}.{run(chance, WEB, 6)}.{run(chance, WEB, 38)}"


def _slack(kind: str) -> Callable[[random.Random], str]:
    def make(chance: random.Random) -> str:
        team, user = run(chance, DIGITS, 12), run(chance, DIGITS, 13)
        if kind == "xapp":
            return f"xapp-1-A{run(chance, UPPER + DIGITS, 10)}-{user}-{run(chance, HEX, 64)}"
        if kind == "xoxp":
            return f"xoxp-{team}-{user}-{run(chance, DIGITS, 13)}-{run(chance, HEX, 32)}"
        return f"xoxb-{team}-{user}-{run(chance, BASE62, 24)}"

    return make


def _slack_hook(chance: random.Random) -> str:
    team, channel = run(chance, UPPER + DIGITS, 8), run(chance, UPPER + DIGITS, 8)
    return f"https://hooks.slack.com/services/T{team}/B{channel}/{run(chance, BASE62, 24)}"


def _twice(first: str, one: int, mark: str, two: int, letters: str) -> Callable[..., str]:
    return lambda chance: first + run(chance, letters, one) + mark + run(chance, letters, two)


def _openai(chance: random.Random) -> str:
    return f"sk-proj-{run(chance, WEB, 74)}T3BlbkFJ{run(chance, WEB, 74)}"


def _azure_secret(chance: random.Random) -> str:
    return run(chance, BASE62, 3) + "8Q~" + run(chance, WEB + "~.", 34)


def _hvs(chance: random.Random) -> str:
    return "hvs." + run(chance, WEB, 91)


KINDS = (
    Kind("github personal", _crc62("ghp_"), (CHAT, "GITHUB_TOKEN={}")),
    Kind("github oauth", _crc62("gho_"), (CHAT,)),
    Kind("github server", _crc62("ghs_"), (CHAT, 'token: "{}"')),
    Kind("github fine-grained", _twice("github_pat_", 22, "_", 59, BASE62), (CHAT,)),
    Kind("npm", _crc62("npm_"), (CHAT, "//registry.npmjs.org/:_authToken={}")),
    _prefixed("gitlab personal", "glpat-", WEB, 20, "GITLAB_TOKEN={}"),
    _prefixed("gitlab runner", "glrt-", WEB, 20),
    _prefixed("gitlab deploy", "gldt-", WEB, 20),
    _prefixed("aws access key", "AKIA", BASE32, 16, "aws_access_key_id = {}"),
    _named("aws secret key", BASE62 + "/+", 40, "aws_secret_access_key = {}",
           'AWS_SECRET_ACCESS_KEY="{}"'),
    _prefixed("gcp api key", "AIza", WEB, 35, '"apiKey": "{}",'),
    Kind("azure client secret", _azure_secret, (CHAT, "AZURE_CLIENT_SECRET={}")),
    Kind("azure storage key", lambda chance: _b64(_raw(chance, 64)),
         ("AccountName=acmeprod;AccountKey={};EndpointSuffix=core.windows.net",)),
    Kind("slack bot", _slack("xoxb"), (CHAT, "SLACK_BOT_TOKEN={}")),
    Kind("slack user", _slack("xoxp"), (CHAT,)),
    Kind("slack app", _slack("xapp"), (CHAT, "SLACK_APP_TOKEN={}")),
    Kind("slack webhook", _slack_hook, (CHAT, "curl -X POST {} -d payload")),
    _prefixed("stripe live", "sk_live_", BASE62, 24, "STRIPE_SECRET={}"),
    _prefixed("stripe restricted", "rk_live_", BASE62, 24),
    _prefixed("stripe webhook", "whsec_", BASE62, 32),
    _prefixed("twilio", "SK", HEX, 32, "TWILIO_API_KEY={}"),
    Kind("sendgrid", _twice("SG.", 22, ".", 43, WEB), (CHAT, "SENDGRID_API_KEY={}")),
    _prefixed("mailgun", "key-", HEX, 32, "MAILGUN_API_KEY={}"),
    _prefixed("mailchimp", "", HEX, 32, "MAILCHIMP_KEY={}", end="-us12"),
    Kind("telegram bot", _telegram, (CHAT, "TELEGRAM_TOKEN={}")),
    Kind("discord bot", _discord, (CHAT, "DISCORD_TOKEN={}")),
    Kind("openai project", _openai, (CHAT, "OPENAI_API_KEY={}")),
    _prefixed("anthropic", "sk-ant-api03-", WEB, 93, "ANTHROPIC_API_KEY={}", end="AA"),
    _prefixed("hugging face", "hf_", BASE62, 34, "HF_TOKEN={}"),
    _prefixed("pypi", "pypi-AgEIcHlwaS5vcmc", WEB, 90, "password = {}"),
    _prefixed("rubygems", "rubygems_", HEX, 48),
    _prefixed("crates.io", "cio", BASE62, 32, 'token = "{}"'),
    _prefixed("digitalocean", "dop_v1_", HEX, 64, "DIGITALOCEAN_TOKEN={}"),
    _prefixed("heroku", "HRKU-AA", WEB, 58, "HEROKU_API_KEY={}"),
    _prefixed("netlify", "nfp_", BASE62, 36),
    _prefixed("fly.io", "FlyV1 fm2_", BASE62 + "+/", 120, "FLY_API_TOKEN={}"),
    _prefixed("doppler", "dp.pt.", BASE62, 43),
    _prefixed("linear", "lin_api_", BASE62, 40),
    _prefixed("notion", "ntn_", BASE62, 46, "NOTION_TOKEN={}"),
    _prefixed("figma", "figd_", WEB, 40),
    Kind("postman", _twice("PMAK-", 24, "-", 34, HEX), (CHAT,)),
    _prefixed("new relic", "NRAK-", UPPER + DIGITS, 27, "NEW_RELIC_API_KEY={}"),
    Kind("grafana account", _crc_hex("glsa_", BASE62, 32, "_"), (CHAT,)),
    Kind("grafana cloud", lambda chance: "glc_" + _b64(json.dumps(
        {"o": "123456", "n": "ci", "k": run(chance, BASE62, 24), "m": {"r": "eu"}}).encode()),
        (CHAT,)),
    _named("datadog", HEX, 32, "DATADOG_API_KEY={}", "dd_api_key: {}"),
    _prefixed("sentry user", "sntryu_", HEX, 64),
    _named("pagerduty", WEB, 20, "PAGERDUTY_API_KEY={}", "pagerduty_token: {}"),
    _prefixed("shopify", "shpat_", HEX, 32),
    _prefixed("square", "EAAA", WEB, 60, "SQUARE_ACCESS_TOKEN={}"),
    _prefixed("databricks", "dapi", HEX, 32, "DATABRICKS_TOKEN={}"),
    _named("okta", WEB, 40, "OKTA_API_TOKEN=00{}"),
    _prefixed("docker hub", "dckr_pat_", WEB, 27, "docker login -u ci -p {}"),
    _prefixed("jfrog", "AKCp", BASE62, 69),
    Kind("terraform cloud", _twice("", 14, ".atlasv1.", 67, BASE62), (CHAT, "TFE_TOKEN={}")),
    _prefixed("pulumi", "pul-", HEX, 40, "PULUMI_ACCESS_TOKEN={}"),
    _prefixed("planetscale", "pscale_tkn_", WEB, 43),
    Kind("tailscale", _twice("tskey-auth-k", 11, "CNTRL-", 32, BASE62), (CHAT,)),
    _named("cloudflare", WEB, 40, "CLOUDFLARE_API_TOKEN={}"),
    _prefixed("supabase", "sbp_", HEX, 40),
    Kind("supabase role", _supabase, (CHAT, "SUPABASE_SERVICE_ROLE_KEY={}")),
    Kind("airtable", _twice("pat", 14, ".", 64, HEX), (CHAT, "AIRTABLE_TOKEN={}")),
    Kind("atlassian", _crc_hex("ATATT3xFfGF0", WEB, 171, "="), (CHAT, "JIRA_API_TOKEN={}")),
    Kind("launchdarkly", lambda chance: f"sdk-{uuid.UUID(int=chance.getrandbits(128), version=4)}",
         ("LAUNCHDARKLY_SDK_KEY={}",)),
    Kind("heroku old", lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
         ("HEROKU_API_KEY={}",)),
    Kind("snyk", lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
         ("SNYK_TOKEN={}",)),
    _prefixed("sonarqube", "sqp_", HEX, 40),
    _prefixed("typeform", "tfp_", WEB, 44),
    Kind("1password", lambda chance: "ops_" + _b64(json.dumps(
        {"signInAddress": "acme.1password.com", "userAuth": {"method": "SRPg-4096"},
         "secretKey": run(chance, BASE62, 40), "email": "x@1passwordserviceaccounts.com",
         "srpX": run(chance, HEX, 64), "muk": {"k": run(chance, WEB, 43)}}).encode(), web=True),
        (CHAT,)),
    Kind("vault service", _hvs, (CHAT, "VAULT_TOKEN={}")),
    _prefixed("vault batch", "hvb.", WEB, 160),
    _prefixed("openbao", "s.", BASE62, 24, "export BAO_TOKEN={}"),
    Kind("kubernetes account", _account, (CHAT, "kubectl --token={} get pods")),
    Kind("jwt", _session, (CHAT, "Authorization: Bearer {}")),
    Kind("age key", _age, (CHAT, "AGE-KEY: {}")),
    Kind("rsa key", _pem("rsa"), ("{}", "here is the key:\n{}\nplease install")),
    Kind("ec key", _pem("ec"), ("{}",)),
    Kind("openssh key", _pem("openssh"), ("{}", "deploy key\n```\n{}\n```")),
    Kind("pgp key", _pgp, ("{}",)),
    Kind("postgres dsn", _password, ("postgres://app:{}@db.internal:5432/orders",
                                     "DATABASE_URL=postgresql+psycopg://app:{}@10.0.0.7/orders")),
    Kind("mongodb dsn", _password, ("mongodb+srv://app:{}@cluster0.ab1cd.mongodb.net/orders",)),
    Kind("redis dsn", _password, ("redis://:{}@cache.internal:6379/0",)),
    Kind("amqp dsn", _password, ("amqps://shop:{}@mq.internal:5671/",)),
    Kind("jdbc", _password, ("jdbc:postgresql://db:5432/orders?user=app&password={}",)),
    Kind("ado string", _password, ("Server=db;Database=orders;User Id=app;Password={};",)),
    Kind("libpq string", _password, ("host=db user=app password={} dbname=orders",)),
    Kind("basic auth url", _password, ("git clone https://ci:{}@git.example.com/a/b.git",)),
    Kind("basic auth header", lambda chance: _b64(f"ci:{_password(chance)}".encode()),
         ("Authorization: Basic {}",)),
    Kind("curl user", _password, ("curl -u ci:{} https://api.example.com/v1/me",)),
    Kind("env password", _password, ("DB_PASSWORD={}", "export SMTP_PASSWORD='{}'")),
    Kind("yaml password", _password, ("db:\n  user: app\n  password: {}\n",)),
    Kind("json password", _password, ('{"user": "app", "password": "{}"}',)),
    Kind("said password", _password, ("the password is {}", "pw: {}")),
    Kind("dockerconfigjson", lambda chance: _b64(f"ci:{_password(chance)}".encode()),
         ('{"auths": {"registry.example.com": {"auth": "{}"}}}',)),
    Kind("kubeconfig token", lambda chance: run(chance, BASE62, 32),
         ("apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: {}\n",)),
    Kind("kubernetes secret", lambda chance: _b64(_password(chance).encode()),
         ("apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  password: {}\n",)),
    Kind("netrc", _password, ("machine git.example.com login ci password {}",)),
    Kind("htpasswd", lambda chance: "$2y$10$" + run(chance, BASE62 + "./", 53), ("admin:{}",)),
    Kind("own prefix", lambda chance: "pgw_live_" + run(chance, BASE62, 36), (CHAT,)),
)  # fmt: skip
