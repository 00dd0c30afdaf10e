"""
Stretches of text that have the shape of a secret, by rules of our own. Pure, no I/O.

Kingfisher's rules know types of tokens (`graph/detect.py`); these add what stands alone in a chat,
where its rules want a name beside it, and passwords in settings, commands and connection strings.
Harmless look-alikes are told by what stands around them: hashes, lock files, pictures, code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from graph.weakness import is_weak, shannon_bits

Confidence = Literal["high", "medium", "low"]

GENERIC = "generic"
OPENBAO_TOKEN = "openbao_token"  # noqa: S105 - the name of a type
PRIVATE_KEY = "private_key"
DSN_PASSWORD = "dsn_password"  # noqa: S105 - the name of a type
PASSWORD_HASH = "password_hash"  # noqa: S105 - the name of a type


@dataclass(frozen=True, slots=True)
class Span:
    """
    A candidate; of overlapping ones the lower `rank` wins, then the longer.

    `text` is the value where it is not what stands there: decoded, or joined over lines.
    """

    rank: int
    start: int
    end: int
    detector: str
    name: str
    confidence: Confidence
    text: str | None = None


# Lengths: Vault's hvs. tokens have 95 and more characters, OpenBao's and old Vault's s. have 24
# after the dot (26 with a namespace's suffix), batch tokens are longer.
VAULT_TOKEN = re.compile(
    r"(?<![\w.-])(?:hv[sbr]\.[A-Za-z0-9_-]{20,300}|[sbr]\.[A-Za-z0-9_-]{24,300}(?:\.[A-Za-z0-9]{5,6})?)"
    r"(?![\w-])"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:[^-]|-(?!----)){32,20000}-----END \1-----"  # not beyond the next dashes
)
_DSN = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:@/\"'<>]{0,100}"
    r":(?P<value>[^\s\"'<>@]{4,200}(?:@[^\s\"'<>@]{1,200})*)@[\w\[]"
)
# What these issuers say of the form; Kingfisher's rules find most of them only beside a name.
_ALONE = tuple(
    (detector, re.compile(rf"(?<![\w.~-])(?:{pattern})(?![\w-])"))
    for detector, pattern in (
        ("aws-access-token", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
        ("azure-ad-client-secret", r"[\w~.]{3}\dQ~[\w~.-]{31,34}"),
        ("jfrog-api-key", r"AKCp[A-Za-z0-9]{69}"),
        ("crates-io-api-key", r"cio[A-Za-z0-9]{32}"),
        ("discord-api-token", r"[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,38}"),
        ("huggingface-access-token", r"hf_[A-Za-z0-9]{34}"),
        ("mailchimp-api-key", r"[0-9a-f]{32}-us\d{1,2}"),
        ("mailgun-private-api-token", r"key-[0-9a-f]{32}"),
        ("new-relic-user-api-key", r"NRAK-[A-Z0-9]{27}"),
        ("planetscale-api-token", r"pscale_tkn_[\w=.-]{32,64}"),
        ("tailscale-api-key", r"tskey-[a-z]{3,10}-\w{10,40}(?:-\w{10,50})?"),
        ("telegram-bot-api-token", r"\d{8,10}:AA[\w-]{33}"),
        ("typeform-api-token", r"tfp_[\w.=-]{40,64}"),
    )
)
_HASHES = re.compile(
    r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}|\$(?:apr1|1|5|6)\$(?:rounds=\d+\$)?[./A-Za-z0-9]{1,16}"
    r"\$[./A-Za-z0-9]{22,86}|\$argon2id?\$v=\d+\$[\w=,]+\$[\w+/]{11,64}\$[\w+/]{16,86}"
)
_KEYWORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|signing[_-]?key|encryption[_-]?key|credentials?|auth(?:orization)?|bearer|webhook)"
)
SECRET_NAME = re.compile(_KEYWORD, re.IGNORECASE)
_ASSIGNMENT = re.compile(
    rf"""(?:{_KEYWORD}(?P<more>[\w.-]{{0,30}})|\bpw)["']?  # db_password, "apiKey"
        [ \t]{{0,8}}(?:=>|:=|=|:|\bis\b)[ \t]{{0,8}}(?:(?:bearer|basic)[ \t]+)?
        (?:"(?P<double>[^"\r\n]{{8,500}})"
          |'(?P<single>[^'\r\n]{{8,500}})'
          |(?P<value>[^\s"'<>`,;]{{8,500}}))""",
    re.IGNORECASE | re.VERBOSE,
)
# What tells that a setting names a secret and does not hold it: passwordFile, token_url.
_ABOUT_IT = re.compile(
    r"(?:^|[_.-]|(?=[A-Z]))(?:name|ref|reference|algorithm|path|file|url|uri|type|expiry|expires"
    r"|seconds|length|policy|hint|label|arn|id|version|selector|reviewer)s?$",
    re.IGNORECASE,
)
_OPTION = re.compile(  # curl -u ci:…, docker login -p …, netrc, psql --password …
    r"(?:\bpass(?:word|wd)|(?<=\s)--?(?:p|pass(?:word)?|token|secret|u|user)"
    r")[ \t]+(?:[\w.@-]{1,64}:)?(?P<value>[^\s\"'<>`,;:]{8,200})(?!\S)",
    re.IGNORECASE,
)
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9_-])(?P<first>[A-Za-z][A-Za-z0-9]{1,15})(?:[_-][a-z]{2,12}){0,3}_"
    r"(?P<tail>[A-Za-z0-9]{20,120})(?![A-Za-z0-9_])"
)
_RUN = re.compile(r"(?<![A-Za-z0-9+/_=.-])[A-Za-z0-9+/_-]{20,400}={0,2}(?![A-Za-z0-9+/_-])")
PLACEHOLDER = re.compile(
    r"\$\{.*|\$[A-Z_(].*|\{\{.*|<.*|%\(.*|\*{3,}.*|x{6,}|\.{3,}|\[.*|ENC\[.*"
    r"|.*(?:redacted|example|your[-_]).*",
    re.IGNORECASE,
)
# Words of public identifiers: customers, payments, runs, messages.
_PUBLIC = frozenset(
    {"acct", "asst", "build", "ch", "cs", "cus", "evt", "file", "in", "job", "msg", "order", "org",
     "pi", "plan", "pm", "price", "prod", "proj", "req", "run", "sub", "task", "team", "thread",
     "user", "wf"}
)  # fmt: skip
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX_HASH = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128}")
# What stands right before a hash, a picture, a public key or an identifier, and names it.
_HARMLESS_BEFORE = re.compile(
    r"(?:\b(?:sha-?\d{1,3}|md5|h1|integrity|checksum|digest|etag|commit|index|reverts?|build-id|rev"
    r"|base64|ssh-[a-z0-9]+|ecdsa-\S+|uid|hash|cursor|resourceversion|span_id|trace_?id"
    r"|traceparent|x-request-id|request-id)\b[\w ()./*-]{0,40}[\"' ]{0,2}"
    r"[:=,@#-]?[\"' ]{0,3}(?:00-)?"
    r"|arn:[\w:/*-]{0,120}|[\w/]@|\.tgz#|https?://[\w.:/?=&%-]{0,120})$",
    re.IGNORECASE,
)
_CHECKSUM_LINE = re.compile(r"[ \t]+\*?[\w./-]+\.\w{1,10}[ \t]*(?:\n|$)")  # abc…  app.tar.gz
_OBJECT_NAME = re.compile(r"/.*|[a-z]{1,8}-[0-9a-f]{8,17}|[a-z][\w/-]*-[0-9a-f]{8,10}-[a-z0-9]{5}")
_PUBLIC_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*(?P<kind>CERTIFICATE|PUBLIC KEY(?: BLOCK)?|SIGNATURE)-----"
    r"(?:[^-]|-(?!----)){16,40000}-----END"
)
_WORD = re.compile(r"[A-Z]?[a-z]{4,}|[A-Z][a-z]{3,}")
_CODE = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*[(\[].*|\w*\.(?:environ|env)\b.*")
_SYMBOLS = frozenset("!#$%^&*+?~|")
_MOSTLY_WORDS = 0.55  # of the letters; of random base62 hardly any stand in runs of four
_MIN_BITS_PER_CHARACTER = 3.4  # random base62 of 20 characters has about 3.9, words less than 3.2
_SHORTEST_HEX = 24
_MIN_DIFFERENT = 10  # characters of a token; of a placeholder (AKIAXXXXXXXXXXXXXXXX) there are few


def certain(text: str) -> Iterator[Span]:
    """Yield what has a form of its own: tokens of Vault, private keys, some issuers' tokens."""
    for found in VAULT_TOKEN.finditer(text):
        body = found[0].partition(".")[2]
        if any(mark.isdigit() for mark in body) and any(mark.isupper() for mark in body):
            yield Span(0, *found.span(), OPENBAO_TOKEN, "Vault or OpenBao token", "high")
    for found in _PRIVATE_KEY.finditer(text):
        kind = found[1].replace("PRIVATE KEY", "private key").removesuffix(" BLOCK")
        yield Span(0, *found.span(), PRIVATE_KEY, kind[:1].upper() + kind[1:], "high")
    for detector, pattern in _ALONE:
        for found in pattern.finditer(text):
            if len(set(found[0])) >= _MIN_DIFFERENT and not is_wordy(found[0]):
                yield Span(2, *found.span(), detector, spoken(detector), "high")


def likely(text: str) -> Iterator[Span]:
    """Yield passwords where passwords stand, and what merely looks random."""
    for found in _DSN.finditer(text):
        if not PLACEHOLDER.fullmatch(found["value"]):
            yield Span(2, *found.span("value"), DSN_PASSWORD, "Password in a DSN", "medium")
    for found in _HASHES.finditer(text):
        yield Span(2, *found.span(), PASSWORD_HASH, "Hash of a password", "medium")
    yield from _settings(text)
    for found in _PREFIXED.finditer(text):
        if looks_random(found["tail"]) and found["first"].lower() not in _PUBLIC:
            yield Span(3, *found.span(), GENERIC, "Token with a prefix", "medium")
    public = [found.span() for found in _PUBLIC_BLOCK.finditer(text)]
    for found in _RUN.finditer(text):
        if _may_be_one(text, found, public):
            yield Span(5, *found.span(), GENERIC, "High-entropy value", "low")


def _settings(text: str) -> Iterator[Span]:
    for found in _ASSIGNMENT.finditer(text):
        group = next(name for name in ("double", "single", "value") if found[name] is not None)
        value = found[group]
        if is_weak(value) or PLACEHOLDER.fullmatch(value) or " " in value.strip():
            continue
        before = text[max(0, found.start() - 60) : found.start()]
        if _CODE.fullmatch(value) or "arn:" in before.rpartition(" ")[2]:
            continue
        start, end = found.span(group)
        if _ABOUT_IT.search(found["more"] or "") or not looks_made(value):
            yield Span(5, start, end, GENERIC, "Value of a secret setting", "low")
        else:
            yield Span(4, start, end, GENERIC, "Value of a secret setting", "medium")
    for found in _OPTION.finditer(text):
        value = found["value"]
        made = looks_made(value) and any(mark.isdigit() for mark in value)
        if made and not is_weak(value) and not PLACEHOLDER.fullmatch(value):
            yield Span(4, *found.span("value"), GENERIC, "Password in a command", "medium")


def _may_be_one(text: str, found: re.Match[str], public: list[tuple[int, int]]) -> bool:
    """Tell a random run from a hash, a picture, a certificate, a path, an identifier."""
    value, start = found[0], found.start()
    if not looks_random(value) or is_wordy(value):
        return False
    if _UUID.fullmatch(value) or _OBJECT_NAME.fullmatch(value):
        return False
    line = text.rfind("\n", max(0, start - 160), start) + 1
    if _HARMLESS_BEFORE.search(text[max(line, start - 160) : start]):
        return False
    if any(first <= start < last for first, last in public):
        return False
    return not (_HEX_HASH.fullmatch(value) and _CHECKSUM_LINE.match(text, found.end()))


def looks_random(value: str) -> bool:
    """Digits and letters mixed, and no repetition: what generators make and people do not write."""
    if not any(mark.isdigit() for mark in value) or not any(mark.isalpha() for mark in value):
        return False
    return shannon_bits(value) / len(value) >= _MIN_BITS_PER_CHARACTER - 0.3 * (
        len(value) >= _SHORTEST_HEX and set(value) <= set("0123456789abcdef")
    )


def looks_made(value: str) -> bool:
    """Tell a chosen or generated value from words, names and paths."""
    if set(value) & _SYMBOLS:
        return True
    mixed = any(mark.isdigit() for mark in value) or not (value.islower() or value.isupper())
    return mixed and not is_wordy(value)


def is_wordy(value: str) -> bool:
    """Tell whether most of it is words: PBKDF2WithHmacSHA256, payments/gateway-credentials."""
    return sum(len(word) for word in _WORD.findall(value)) >= _MOSTLY_WORDS * len(value)


_ACRONYMS = {"api", "aws", "dsn", "gcp", "id", "jwt", "npm", "oauth", "pat", "ssh", "uri", "url"}


def spoken(detector: str) -> str:
    """Say a detector's name to people."""
    words = [word.upper() if word in _ACRONYMS else word for word in re.split(r"[-_.]+", detector)]
    return " ".join(words)[:1].upper() + " ".join(words)[1:]
