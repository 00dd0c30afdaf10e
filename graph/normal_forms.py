"""
Take one value apart into the contents by which it may be recognised. Pure text work, no keys.

Only ever *decoding* makes both sides comparable: whichever side is quoted, encoded or wrapped is
unwrapped until the bare value appears on both. Contents live for one call and are digested at
once (`graph/fingerprints.py`). The forms are those of real leaks: `echo x | base64` (a newline
more), Kubernetes `data`, `.env` files, DSNs, `.dockerconfigjson`, PEM without its line breaks.
"""

import base64
import binascii
import html
import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

import orjson

from graph.weakness import is_weak

MAX_VALUE = 64 * 1024  # bytes; anything bigger is compared as it is and trimmed only
MAX_FORMS = 512  # contents per value: enough for a big .env or kubeconfig
_MAX_DEPTH = 5  # data: -> .dockerconfigjson -> auth -> user:password -> trimmed
_MIN_ENCODED = 8  # characters; shorter text decodes to noise
_MIN_LINES = 2
_MIN_WRAPPED = 64  # characters: the width of a line of PEM

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,60})-----((?:[^-]|-(?!----)){16,})-----END \1-----")
_PEM_HEADER = re.compile(r"^[A-Za-z-]+: .*$", re.MULTILINE)  # Proc-Type, DEK-Info
_PUBLIC_PEM = ("CERTIFICATE", "PUBLIC KEY")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}|[A-Za-z0-9_-]+={0,2}")
_TOKEN = re.compile(r"[A-Za-z0-9_.+/-]+={0,2}")
_HTPASSWD = re.compile(
    r"^(?P<user>[^:\s]{1,64}):(?P<hash>\$(?:2[abxy]|apr1|[156y])\$\S{8,}|\{SHA\}\S{8,})$",
    re.MULTILINE,
)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_LINE = re.compile(
    r"""^[ \t]*(?:-[ \t]+)?(?:(?:export|set)[ \t]+)?  # a list item, a shell
        ['"]?[A-Za-z_][\w.\-/]{0,127}['"]?[ \t]*      # the key
        (?:=|:[ \t=])[ \t]*(?P<value>\S[^\r\n]*)$    # the value, with quotes and comment""",
    re.MULTILINE | re.VERBOSE,
)
_COMMENT = re.compile(r"[ \t]+#.*$")
_HEADER = re.compile(r"(?:[A-Za-z-]{1,40}:[ \t]*)?(?:bearer|basic|token)[ \t]+(\S+)", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-:]{0,40}://[^\s\"'<>`]+")
_PARAMETER = re.compile(
    r"(?:^|[?&;\s])(?:password|passwd|pwd|token|access_token|api_?key|key|secret|sig|signature)"
    r"=(?P<value>'[^']+'|[^&;\s\"]+)",
    re.IGNORECASE,
)
_WRAPPED = re.compile(r"[A-Za-z0-9+/=_-]+")


class NormalForm(NamedTuple):
    """`content` identifies the value; `name` says how it came out; `weak` never matches alone."""

    name: str
    content: bytes
    weak: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """Text on its way to be taken apart further; `name` is of the last step that led to it."""

    name: str
    text: str
    weak: bool = False


def normal_forms(value: str) -> tuple[NormalForm, ...]:
    """Return the distinct contents of `value`, the plainest first; none for a blank value."""
    found: dict[bytes, NormalForm] = {}
    queue: deque[tuple[_Part, int]] = deque([(_Part("as_is", value), 0)])
    whole = len(value) <= MAX_VALUE
    while queue and len(found) < MAX_FORMS:
        part, depth = queue.popleft()
        content = _bytes(part.text)
        if not content.strip() or content in found:
            continue
        # What comes out of a weak text is weak: "postgres" is also the base64 of six odd bytes.
        weak = part.weak or is_weak(part.text)
        found[content] = NormalForm(part.name, content, weak)
        if not whole:
            if depth == 0:
                queue.append((_Part("trimmed", value.strip()), 1))
            continue
        if depth >= _MAX_DEPTH:
            continue
        for inner in _inside(part.text):
            if isinstance(inner, NormalForm):
                if len(found) < MAX_FORMS:
                    found.setdefault(inner.content, inner._replace(weak=weak or inner.weak))
            else:
                queue.append((replace(inner, weak=weak or inner.weak), depth + 1))
    return tuple(found.values())


def _inside(text: str) -> Iterator[_Part | NormalForm]:
    """Yield everything that is one step further inside `text`."""
    if _TOKEN.fullmatch(text):  # most values: no space, quote, colon or escape to look behind
        yield from _base64(text)
        return
    trimmed = unicodedata.normalize("NFC", text.strip().replace("\r\n", "\n"))
    if trimmed != text:
        yield _Part("trimmed", trimmed)
        return  # the rest is found from there
    yield from _unquoted(text)
    yield from _pem(text)
    yield from _json(text)
    yield from _base64(text)
    yield from _escaped(text)
    yield from _urls(text)
    yield from _lines(text)
    if header := _HEADER.fullmatch(text):
        yield _Part("header", header[1])


def _unquoted(text: str) -> Iterator[_Part]:
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"`":  # noqa: PLR2004 - two quotes
        yield _Part("unquoted", text[1:-1])


def _pem(text: str) -> Iterator[NormalForm]:
    """Key the blocks by their base64 alone: line breaks are lost or escaped on many ways."""
    unescaped = text.replace("\\r", "").replace("\\n", "\n")
    for block in _PEM.finditer(unescaped):
        body = "".join(_PEM_HEADER.sub("", block[2]).split())
        yield NormalForm(
            "pem_body", body.encode("utf-8", "replace"), block[1].endswith(_PUBLIC_PEM)
        )
    lines = unescaped.split()
    if len(lines) >= _MIN_LINES and all(_WRAPPED.fullmatch(line) for line in lines):
        joined = "".join(lines)
        if len(joined) >= _MIN_WRAPPED:
            yield NormalForm("unwrapped", joined.encode(), is_weak(joined))


def _json(text: str) -> Iterator[_Part]:
    if text[:1] == '"':
        unescaped = _parse(text)
        if isinstance(unescaped, str):
            yield _Part("json_string", unescaped)
    elif text[:1] in ("{", "["):
        for leaf in _leaves(_parse(text)):
            yield _Part("json_leaf", leaf)
    if "\\" in text and '"' not in text and "\n" not in text:
        unescaped = _parse(f'"{text}"')
        if isinstance(unescaped, str):
            yield _Part("json_string", unescaped)


def _leaves(parsed: Any) -> Iterator[str]:
    stack = [parsed]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            stack.extend(reversed(node.values()))
        elif isinstance(node, list):
            stack.extend(reversed(node))
        elif isinstance(node, str):
            yield node
        elif isinstance(node, int | float) and not isinstance(node, bool):
            yield str(node)


def _base64(text: str) -> Iterator[_Part | NormalForm]:
    """Also decodes hex, whose letters are base64 as well; bytes that are no text end there."""
    joined = "".join(text.split())
    if len(joined) < _MIN_ENCODED:
        return
    if _HEX.fullmatch(joined):
        yield _decoded("hex", bytes.fromhex(joined))
    if not _BASE64.fullmatch(joined):
        return
    bare = joined.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return
    part = _decoded("base64", decoded)
    yield part
    if isinstance(part, _Part):
        user, colon, password = part.text.strip().partition(":")
        if colon and user and not set(user) & set(' \t\n{"/'):
            yield _Part("basic_password", password)


def _decoded(name: str, content: bytes) -> _Part | NormalForm:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return NormalForm(name, content, is_weak(content.hex()))
    return _Part(name, text)


def _escaped(text: str) -> Iterator[_Part]:
    if _PERCENT.search(text) and not any(space in text for space in " \n\t"):
        yield _Part("url_decoded", _unquote(text))
        if "+" in text:
            yield _Part("url_decoded", _unquote(text.replace("+", " ")))
    if "&" in text and ";" in text and (unescaped := html.unescape(text)) != text:
        yield _Part("html_unescaped", unescaped)


def _urls(text: str) -> Iterator[_Part]:
    """User and password of URLs and DSNs, and parameters that carry a secret by their name."""
    for url in _URL.findall(text):
        rest = re.sub(r"^(?:jdbc|sqlalchemy):", "", url)
        try:
            parts = urlsplit(rest)
        except ValueError:  # such as a broken IPv6 address
            continue
        user_info, at, _ = parts.netloc.rpartition("@")
        if not at and ":" in (broken := rest.partition("://")[2].rpartition("@")[0]):
            # A password with “/”, “?” or “#” that nobody encoded: drivers cut at the last “@”.
            user_info = broken
        user, colon, password = user_info.partition(":")
        if password:
            yield _Part("dsn_password", _unquote(password))
            yield _Part("dsn_password", password)
        if user:  # alone it is a token; next to a password only a name
            yield _Part("dsn_user", _unquote(user), weak=bool(colon and password))
    for parameter in _PARAMETER.finditer(text):
        raw = parameter["value"].strip("'")
        yield _Part("parameter", _unquote(raw))


def _lines(text: str) -> Iterator[_Part]:
    """Values of KEY=VALUE and `key: value` lines: .env files, shell exports, properties, YAML."""
    if text[:1] in ("{", "["):
        return
    for entry in _HTPASSWD.finditer(text):
        yield _Part("htpasswd_user", entry["user"], weak=True)
        yield _Part("htpasswd_hash", entry["hash"])
    for line in _LINE.finditer(text):
        value = line["value"].strip()
        yield _Part("line_value", value)
        quoted = value[0] in "'\"" and value.rstrip(";,")[-1] == value[0]
        uncommented = value.rstrip(",;") if quoted else _COMMENT.sub("", value)
        if uncommented != value:
            yield _Part("line_value", uncommented)


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _unquote(text: str) -> str:
    return unquote_to_bytes(_bytes(text)).decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    """Encode like the store would; half a surrogate pair must not stop a report."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
