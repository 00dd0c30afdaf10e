"""
Reads pasted documents that hold credentials by their form: each value, decoded, with its place.

Secrets of Kubernetes (`data` is base64, `stringData` is not, Lists of them), kubeconfigs, and
registry logins (`.dockerconfigjson`). What surrounds a document, and a document that is no valid
YAML any more, is borne. Pure; text is strangers', so depth and size are bounded.
Source: https://kubernetes.io/docs/concepts/configuration/secret/ and
https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from graph import yaml_text
from graph.shapes import SECRET_NAME, looks_made, looks_random
from graph.weakness import is_weak

IN_SECRET = "Value of a Kubernetes Secret"  # noqa: S105 - words for people
IN_KUBECONFIG = "Credential of a kubeconfig"
IN_REGISTRY = "Password of a registry"

_LARGEST = 300_000  # characters of one document
_MOST_VALUES = 500
_LONG_ENOUGH = 12  # characters of a value that is no region and no number of a port
_TELLING = re.compile(
    r"\bkind[\"']?[ \t]*:[ \t]*[\"']?(?:Secret|SecretList|List|Config)\b|\bauths[\"']?[ \t]*:"
    r"|client-key-data"
)
_EDGE = re.compile(r"^(?:---.*|```.*|\.\.\.[ \t]*)$", re.MULTILINE)
_BEGINNING = re.compile(
    r"^[ \t]*(?:- )?[\"']?[A-Za-z][\w.-]*[\"']?:(?:[ \t]|$)|[{\[]", re.MULTILINE
)
_OF_A_DOCUMENT = re.compile(r"^(?:[ \t]+\S.*|[\"']?[\w.-]+[\"']?:.*|- .*|[}\]].*)$", re.MULTILINE)
_PAIR = re.compile(
    r"^[ \t]*[\"']?(?P<key>[\w.-]+)[\"']?:[ \t]*"
    r"[\"']?(?P<value>[A-Za-z0-9+/]{8,}={0,2})[\"']?,?[ \t]*$",
    re.MULTILINE,
)
_USER_FIELDS = ("token", "password")
_PROVIDER_FIELDS = ("access-token", "refresh-token", "id-token", "client-secret")
_REGISTRY_FIELDS = ("password", "identitytoken", "registrytoken")


@dataclass(frozen=True, slots=True)
class Pasted:
    """
    One value of a document: where it stands, what it is once decoded.

    `sure`: its name or its look says that it is secret. A text of several lines may hold more.
    """

    start: int
    end: int
    text: str
    name: str
    sure: bool


def pasted(text: str) -> Iterator[Pasted]:
    """Yield the values of every document in the text that has a known form."""
    if not _TELLING.search(text):
        return
    count = 0
    for start, end in _documents(text):
        if not _TELLING.search(text, start, end) or end - start > _LARGEST:
            continue
        root, offset = _composed(text, start, end)
        values = _fallback(text, start, end) if root is None else _values(root, offset)
        for value in values:
            count += 1
            if count > _MOST_VALUES:
                return
            yield value


def _documents(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for edge in _EDGE.finditer(text):
        yield start, edge.start()
        start = edge.end()
    yield start, len(text)


def _composed(text: str, start: int, end: int) -> tuple[yaml.Node | None, int]:
    """Parse the document, else the part of it from the first key on, else up to the last brace."""
    begun = _BEGINNING.search(text, start, end)
    tries = [(start, end)]
    if begun is not None:
        tries.append((begun.start(), end))
        tries.append((begun.start(), _last_line(text, begun.start(), end)))
        braces = text.find("{", start, end), text.rfind("}", start, end)
        if 0 <= braces[0] < braces[1]:
            tries.append((braces[0], braces[1] + 1))
    for first, last in tries:
        try:
            root = yaml_text.compose(text[first:last])
        except (yaml.YAMLError, RecursionError, ValueError):
            continue
        if isinstance(root, yaml.MappingNode | yaml.SequenceNode):
            return root, first
    return None, start


def _last_line(text: str, start: int, end: int) -> int:
    """Find the end of the last line that is still a key, a list item, a brace or indented."""
    last = start
    for line in _OF_A_DOCUMENT.finditer(text, start, end):
        if "\n\n" in text[last : line.start()]:
            break
        last = line.end()
    return last


def _values(root: yaml.Node, offset: int) -> Iterator[Pasted]:
    """Walk to the parts that hold values; each node is looked at once, aliases included."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
            continue
        fields = _fields(node)
        if _text(fields.get("kind")) == "Secret":
            yield from _secret(fields, offset)
        elif isinstance(users := fields.get("users"), yaml.SequenceNode):
            yield from _kubeconfig(users, offset)
        elif "auths" in fields:
            yield from _registries(fields["auths"], offset)
        else:
            waiting += reversed(fields.values())


def _secret(fields: dict[str, yaml.Node], offset: int) -> Iterator[Pasted]:
    for key, value in _fields(fields.get("data")).items():
        decoded = from_base64(_text(value))
        if decoded is not None:
            yield from _in_secret(key, decoded, value, offset)
    for key, value in _fields(fields.get("stringData")).items():
        yield from _in_secret(key, _text(value), value, offset)


def _in_secret(key: str, plain: str, node: yaml.Node, offset: int) -> Iterator[Pasted]:
    start, end = _place(node, offset)
    if key in {".dockerconfigjson", ".dockercfg"}:
        for value in _inside_registry(plain):
            yield Pasted(start, end, value, IN_REGISTRY, sure=True)
    elif not is_weak(plain):
        yield Pasted(start, end, plain, IN_SECRET, sure=_is_sure(key, plain))


def _is_sure(key: str, plain: str) -> bool:
    """Not every value of a Secret is one: hosts, ports, regions and user names lie beside them."""
    value = plain.strip()
    made = len(value) >= _LONG_ENOUGH and "." not in value and looks_made(value)
    return bool(SECRET_NAME.search(key)) or looks_random(value) or made


def _kubeconfig(users: yaml.SequenceNode, offset: int) -> Iterator[Pasted]:
    for entry in users.value:
        user = _fields(_fields(entry).get("user"))
        provider = _fields(_fields(user.get("auth-provider")).get("config"))
        given = [user.get(name) for name in _USER_FIELDS]
        given += [provider.get(name) for name in _PROVIDER_FIELDS]
        environment = _fields(user.get("exec")).get("env")
        if isinstance(environment, yaml.SequenceNode):
            for pair in map(_fields, environment.value):
                if SECRET_NAME.search(_text(pair.get("name"))):
                    given.append(pair.get("value"))
        for node in given:
            if node is not None and not is_weak(_text(node)):
                yield Pasted(*_place(node, offset), _text(node), IN_KUBECONFIG, sure=True)
        key = user.get("client-key-data")
        if key is not None and (decoded := from_base64(_text(key))):
            yield Pasted(*_place(key, offset), decoded, IN_KUBECONFIG, sure=True)


def _registries(auths: yaml.Node, offset: int) -> Iterator[Pasted]:
    for entry in map(_fields, _fields(auths).values()):
        for node, value in _registry_values(entry):
            yield Pasted(*_place(node, offset), value, IN_REGISTRY, sure=True)


def _inside_registry(plain: str) -> Iterator[str]:
    """Read the file inside a Secret; its places in the paste are unknown, its values are not."""
    try:
        root = yaml_text.compose(plain)
    except (yaml.YAMLError, RecursionError, ValueError):
        return
    fields = _fields(root)
    for entry in map(_fields, _fields(fields.get("auths") or root).values()):
        for _, value in _registry_values(entry):
            yield value


def _registry_values(entry: dict[str, yaml.Node]) -> Iterator[tuple[yaml.Node, str]]:
    """Give each place of a password; `auth` is user and password in base64."""
    pairs = [(entry.get(name), _text(entry.get(name))) for name in _REGISTRY_FIELDS]
    _, _, password = (from_base64(_text(entry.get("auth"))) or "").partition(":")
    pairs.append((entry.get("auth"), password))
    for node, value in pairs:
        if node is not None and not is_weak(value):
            yield node, value


def _fallback(text: str, start: int, end: int) -> Iterator[Pasted]:
    """Take base64 behind a key where the indentation is lost: chats and mails do that."""
    for found in _PAIR.finditer(text, start, end):
        decoded = from_base64(found["value"])
        if decoded is not None and not is_weak(decoded):
            sure = _is_sure(found["key"], decoded)
            yield Pasted(*found.span("value"), decoded, IN_SECRET, sure=sure)


def _fields(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {_text(key): value for key, value in node.value}


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _place(node: yaml.Node, offset: int) -> tuple[int, int]:
    return offset + node.start_mark.index, offset + node.end_mark.index


def from_base64(encoded: str) -> str | None:
    """Decode base64 that is text; None where it is not."""
    bare = "".join(encoded.split())
    if not bare:
        return None
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
