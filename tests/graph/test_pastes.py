"""Pasted documents are read: every value is found, decoded, with its place; torn tokens too."""

import base64
import json
import secrets
import textwrap

import pytest
import yaml

from graph.detect import Detected, detect
from tests.benchmarks.labelled import BASE62

PASSWORD = "kX9mQ2LwPz71"
OTHER = "zz9YY8xx7WW6"
KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join(textwrap.wrap(base64.b64encode(bytes(range(1, 250))).decode(), 64))
    + "\n-----END RSA PRIVATE KEY-----\n"
)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def sure(text: str) -> list[str]:
    """Give the values that open an incident by themselves."""
    return [one.value.reveal() for one in detect(text) if one.confidence != "low"]


def manifest(**data: str) -> str:
    lines = "\n".join(f"  {key}: {value}" for key, value in data.items())
    head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n"
    return f"{head}type: Opaque\ndata:\n{lines}\n"


def test_each_key_of_a_secret_is_decoded_and_stands_where_it_stood() -> None:
    text = f"héllo 🔑 look:\n```\n{manifest(password=b64(PASSWORD), other=b64(OTHER))}```\nbye"
    found = [one for one in detect(text) if one.confidence != "low"]
    assert [one.value.reveal() for one in found] == [PASSWORD, OTHER]
    assert [text[one.start : one.end] for one in found] == [b64(PASSWORD), b64(OTHER)]
    assert {one.detector_name for one in found} == {"Value of a Kubernetes Secret"}


def test_what_a_value_is_is_said_and_what_is_no_secret_is_left_out() -> None:
    token = f"s.{''.join(secrets.choice(BASE62) for _ in range(20))}aB3d"
    text = manifest(
        username=b64("payments_app"),
        port=b64("5432"),
        region=b64("eu-west-1"),
        token=b64(token),
        url=b64(f"postgres://app:{PASSWORD}@db:5432/orders"),
        **{"tls.key": b64(KEY)},
    )
    named = {one.value.reveal(): one.detector for one in detect(text) if one.confidence != "low"}
    assert named.pop(KEY) == "private_key"
    assert named.pop(token) == "openbao_token"
    assert list(named) == [PASSWORD]


def test_string_data_lists_and_json_are_read_too() -> None:
    secret = {"kind": "Secret", "stringData": {"token": PASSWORD}}
    both = {"kind": "List", "items": [secret, {"kind": "Secret", "data": {"x": b64(OTHER)}}]}
    assert sure(yaml.safe_dump(secret)) == [PASSWORD]
    assert sure(f"kubectl get secret -o json\n{json.dumps(both, indent=2)}\nsee?") == [
        PASSWORD,
        OTHER,
    ]
    assert sure(yaml.safe_dump_all([secret, {"kind": "Secret", "data": {"y": b64(OTHER)}}])) == [
        PASSWORD,
        OTHER,
    ]


def test_a_file_inside_a_secret_is_searched() -> None:
    env = f"DB_HOST=db.internal\nDB_PASSWORD={PASSWORD}\nAPI_TOKEN={OTHER}\n"
    assert sure(manifest(**{"app.env": b64(env)})) == [PASSWORD, OTHER]


def test_registry_logins_give_their_passwords() -> None:
    config = json.dumps(
        {
            "auths": {
                "a.example": {"auth": b64(f"ci:{PASSWORD}")},
                "b.example": {"auth": b64(f"ci:{OTHER}"), "password": OTHER},
            }
        }
    )
    assert set(sure(config)) == {PASSWORD, OTHER}
    inside = sure(manifest(**{".dockerconfigjson": b64(config)}))
    assert sorted(inside) == sorted([PASSWORD, OTHER])


def test_a_kubeconfig_gives_tokens_keys_and_passwords() -> None:
    users = [
        {"name": "a", "user": {"token": PASSWORD + OTHER}},
        {"name": "b", "user": {"client-key-data": b64(KEY)}},
        {"name": "c", "user": {"username": "admin", "password": OTHER}},
        {"name": "d", "user": {"auth-provider": {"config": {"refresh-token": "rt-9f8e7d6c5b4aX"}}}},
        {"name": "e", "user": {"exec": {"env": [{"name": "API_TOKEN", "value": PASSWORD}]}}},
    ]
    config = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": users}
    wanted = [PASSWORD + OTHER, KEY, OTHER, "rt-9f8e7d6c5b4aX", PASSWORD]
    assert sorted(sure(yaml.safe_dump(config))) == sorted(wanted)
    assert sorted(sure("mine: " + json.dumps(config))) == sorted(wanted)


@pytest.mark.parametrize(
    "text",
    [
        "it was kind: Secret, data:\npassword: {}\nfoo: [",  # indentation and form are lost
        "kind: Secret\ndata:\n\tpassword: {}\n",  # tabs, which YAML does not allow
        "> apiVersion: v1\n> kind: Secret\n> data:\n>   password: {}",
    ],
)
def test_a_document_that_is_no_yaml_any_more_gives_its_values(text: str) -> None:
    values = sure(text.format(b64(PASSWORD)))
    assert values in ([PASSWORD], [b64(PASSWORD)])  # its normal forms decode the latter


def test_a_hostile_document_costs_little() -> None:
    bomb = "kind: Secret\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    )
    assert sure(bomb) == []
    assert sure("kind: Secret\ndata: " + "{a: " * 3000) == []
    assert (
        len(detect(manifest(**{f"k{n}": b64(secrets.token_hex(16)) for n in range(900)}))) <= 1000
    )


def token(prefix: str, size: int) -> str:
    return prefix + "".join(secrets.choice(BASE62) for _ in range(size))


@pytest.mark.parametrize(
    "between",
    ["\n", "\r\n", "\\\n", "\n> ", "\n    "],
    ids=["unix", "dos", "shell", "mail", "code"],
)
@pytest.mark.parametrize("value", [token("ghp_", 36), token("hvs.CAES", 90)], ids=["ghp", "hvs"])
def test_a_token_that_a_line_break_tore_apart_is_found_whole(value: str, between: str) -> None:
    text = f"see\n{value[:30]}{between}{value[30:]}\nplease rotate it"
    (one,) = surely(text)
    assert one.value.reveal() == value
    assert text[one.start : one.end] == value[:30] + between + value[30:]


def surely(text: str) -> list[Detected]:
    return [one for one in detect(text) if one.confidence != "low"]


@pytest.mark.parametrize(
    "after",
    ["thanks", "Thanks", token("", 40), "hvs." + token("", 95)],
    ids=["word", "Word", "run", "hvs"],
)
def test_a_whole_token_takes_nothing_from_the_next_line(after: str) -> None:
    for value in (token("hvs.CAES", 90), token("ghp_", 36), token("s.", 24) + "a1"):
        assert value in sure(f"{value}\n{after}\n")[:1]
