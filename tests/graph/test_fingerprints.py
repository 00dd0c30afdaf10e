import base64
import json
import textwrap
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.errors import BadInputError
from graph.fingerprints import Fingerprinter, generate_key
from graph.normal_forms import MAX_FORMS, MAX_VALUE, normal_forms
from graph.secret_value import SecretValue
from graph.weakness import is_weak

KEY = "5f" * 32
FINGERPRINTER = Fingerprinter(SecretValue(KEY), key_id="test")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
secrets = st.text(LETTERS, min_size=16, max_size=60).filter(lambda text: not is_weak(text))
passwords = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("C", "Z", "M")),
    min_size=12,
    max_size=60,
).filter(lambda text: not is_weak(text))

PEM_BODY = base64.b64encode(bytes(range(7, 199))).decode()
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join(textwrap.wrap(PEM_BODY, 64))
    + "\n-----END RSA PRIVATE KEY-----\n"
)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def urlsafe(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


WRAPPINGS = {
    "as is": lambda secret: secret,
    "a newline more": lambda secret: secret + "\n",
    "spaces around": lambda secret: f"  {secret}\t",
    "windows line end": lambda secret: secret + "\r\n",
    "double quotes": lambda secret: f'"{secret}"',
    "single quotes": lambda secret: f"'{secret}'",
    "backticks": lambda secret: f"`{secret}`",
    "base64": b64,
    "base64 of echo": lambda secret: b64(secret + "\n"),
    "base64 without padding": lambda secret: b64(secret).rstrip("="),
    "base64 for URLs": urlsafe,
    "base64 for URLs without padding": lambda secret: urlsafe(secret).rstrip("="),
    "base64 in lines": lambda secret: "\n".join(textwrap.wrap(b64(secret), 20)),
    "base64 twice": lambda secret: b64(b64(secret)),
    "hex": lambda secret: secret.encode().hex(),
    "HEX": lambda secret: secret.encode().hex().upper(),
    "url-encoded": lambda secret: quote(secret, safe=""),
    "fully url-encoded": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "json string": json.dumps,
    "json leaf": lambda secret: json.dumps({"a": {"b": ["x", secret]}, "n": 1}),
    "dsn password": lambda secret: (
        f"postgres://app:{quote(secret, safe='')}@db:5432/app?sslmode=on"
    ),
    "jdbc": lambda secret: f"jdbc:postgresql://app:{quote(secret, safe='')}@db/app",
    "token as user": lambda secret: f"https://{quote(secret, safe='')}@git.example.com/r.git",
    "query parameter": lambda secret: (
        f"https://x.example/hook?a=1&token={quote(secret, safe='')}&b=2"
    ),
    "docker auth": lambda secret: json.dumps({"auths": {"r.io": {"auth": b64(f"bot:{secret}")}}}),
    "docker auth as data": lambda secret: b64(
        json.dumps({"auths": {"r.io": {"auth": b64(f"bot:{secret}")}}})
    ),
    "env line": lambda secret: f"# env\nHOST=db\nexport API_TOKEN={secret}\nPORT=5432\n",
    "quoted env line": lambda secret: f"A=1\nAPI_TOKEN='{secret}'\n",
    "env line with comment": lambda secret: f"A=1\nAPI_TOKEN={secret} # the gateway\n",
    "yaml line": lambda secret: f"kind: Secret\ndata:\n  token: {b64(secret)}\n",
    "basic header": lambda secret: f"Authorization: Basic {b64('app:' + secret)}",
    "html": lambda secret: secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
}
FRAGILE = {"env line", "quoted env line", "env line with comment", "html"}  # plain text formats


def matches(stored: str, leaked: str) -> tuple[str, ...]:
    """Name the forms of `stored` in which `leaked` is recognised; weak ones do not count."""
    known = {one.digest for one in FINGERPRINTER.of_leaked(SecretValue(leaked)) if not one.weak}
    found = FINGERPRINTER.of_stored(SecretValue(stored))
    return tuple(one.form for one in found if one.digest in known and not one.weak)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@settings(max_examples=25, deadline=None)
@given(secret=secrets)
def test_a_wrapped_leak_of_a_plain_stored_value_is_recognised(wrapping, secret):
    assert matches(secret, WRAPPINGS[wrapping](secret))


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@settings(max_examples=25, deadline=None)
@given(secret=secrets)
def test_a_plain_leak_of_a_wrapped_stored_value_is_recognised(wrapping, secret):
    assert matches(WRAPPINGS[wrapping](secret), secret)


@pytest.mark.parametrize("stored", sorted(set(WRAPPINGS) - FRAGILE))
@pytest.mark.parametrize("leaked", ["base64", "url-encoded", "json leaf", "dsn password"])
def test_both_sides_may_be_wrapped_differently(stored, leaked):
    secret = "pgw_live_9fQ2xLbV7rTzK1mN8cWdE4"
    assert matches(WRAPPINGS[stored](secret), WRAPPINGS[leaked](secret))


@pytest.mark.parametrize("wrapping", sorted(set(WRAPPINGS) - FRAGILE))
@settings(max_examples=25, deadline=None)
@given(secret=passwords)
def test_passwords_with_any_characters_are_recognised(wrapping, secret):
    assert matches(secret, WRAPPINGS[wrapping](secret))


@settings(max_examples=150, deadline=None)
@given(
    one=secrets,
    other=secrets,
    how=st.sampled_from(sorted(WRAPPINGS)),
    too=st.sampled_from(sorted(WRAPPINGS)),
)
def test_unrelated_values_never_match(one, other, how, too):
    if one != other:
        assert not matches(WRAPPINGS[how](one), WRAPPINGS[too](other))


@pytest.mark.parametrize(
    "leaked",
    [
        PEM,
        PEM.strip(),
        PEM.replace("\n", "\r\n"),
        PEM.replace("\n", " "),
        PEM.replace("\n", ""),
        PEM.replace("\n", "\\n"),
        json.dumps({"private_key": PEM}),
        "\n".join(textwrap.wrap(PEM_BODY, 76)),
        PEM_BODY,
        b64(PEM),
        f"here it is:\n{PEM}\nplease rotate",
        textwrap.indent(PEM, "    "),
    ],
)
def test_a_private_key_is_recognised_whatever_became_of_its_lines(leaked):
    assert matches(PEM, leaked)


def test_a_binary_value_is_recognised_in_any_base64_alphabet():
    raw = bytes(range(120, 250))
    stored = base64.b64encode(raw).decode()
    assert matches(stored, base64.urlsafe_b64encode(raw).decode().rstrip("="))
    assert matches(stored, raw.hex())


def test_a_password_with_unencoded_slashes_in_a_dsn_is_recognised():
    assert matches("s3/cr?tW#x9LmQ2", "mysql://app:s3/cr?tW#x9LmQ2@db/app")


@pytest.mark.parametrize(
    "value",
    [
        "short1!",
        "password",
        "changeme",
        "postgres",
        "aaaaaaaaaaaaaaaa",
        "12345678",
        "5432",
        "2026-11-23T20:00:00Z",
        "payments-api",
        "db.payments.svc.cluster.local",
        "ana@example.com",
        "https://example.com/health",
        "true",
        "redis://cache:6379",
    ],
)
def test_values_that_anybody_may_have_are_weak(value):
    assert is_weak(value)
    found = FINGERPRINTER.of_stored(SecretValue(value))
    assert found
    assert found[0].weak


@pytest.mark.parametrize(
    "value",
    [
        "xK9#mP2q",
        "s.AbCdEfGh12345678IjKlMnOp",
        "correct horse battery staple",
        "https://hooks.example.com/services/T024/B7K2/xx91LmQpZ",
        "4716384950273846",
        "AKIAQ3EGRTY7ZXPLM2NB",
    ],
)
def test_values_that_identify_are_not_weak(value):
    assert not is_weak(value)


def test_weak_values_never_match_alone():
    assert matches("postgres", "postgres") == ()
    assert matches("postgres://app:x9LmQ2vTr81@db", "app") == ()


def test_an_htpasswd_file_is_known_by_its_hashes_and_its_users_only_confirm():
    digest = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"
    stored = f"deploy-7fQ2xLbV:{digest}\nana:$apr1$fQ2xLbV7$rTzK1mN8cWdE4pgwlive9\n"
    assert "htpasswd_hash" in matches(stored, f"deploy-7fQ2xLbV:{digest}")
    assert matches(stored, digest) == ("htpasswd_hash",)
    user = FINGERPRINTER.of_leaked(SecretValue("deploy-7fQ2xLbV"))[0].digest
    found = {one.digest: one for one in FINGERPRINTER.of_stored(SecretValue(stored))}
    assert found[user].form == "htpasswd_user"
    assert found[user].weak
    assert matches(stored, "deploy-7fQ2xLbV") == ()


def test_a_public_certificate_does_not_identify():
    certificate = PEM.replace("RSA PRIVATE KEY", "CERTIFICATE")
    assert all(found.weak for found in FINGERPRINTER.of_stored(SecretValue(certificate)))
    assert matches(certificate, certificate) == ()


def test_the_plain_form_comes_first_and_a_digest_comes_once():
    found = FINGERPRINTER.of_stored(SecretValue(b64("pgw_live_9fQ2xLbV7rTz")))
    assert found[0].form == "as_is"
    assert len({one.digest for one in found}) == len(found)
    assert {one.key_id for one in found} == {"test"}


def test_blank_values_have_no_fingerprint():
    assert FINGERPRINTER.of_stored(SecretValue("")) == ()
    assert FINGERPRINTER.of_stored(SecretValue(" \n")) == ()


def test_a_big_value_is_compared_only_as_it_is_and_trimmed():
    big = "A=xK9mP2qLw\n" * (MAX_VALUE // 8)
    assert [form.name for form in normal_forms(big)] == ["as_is", "trimmed"]
    assert matches(big, big.strip())


@pytest.mark.parametrize(
    "hostile",
    [
        json.dumps([f"value-{number}-xyz" for number in range(5000)]),
        "[" * 5000 + "]" * 5000,
        "\n".join(f"KEY_{number}=value-{number}" for number in range(3000)),
        "%41" * 20000,
        "A" * 60000,
        "http://" * 8000,
        "password=" * 7000,
        "-----BEGIN A-----" * 3000,
        "=" * 60000,
        "\\n" * 30000,
        "\ud800 half a pair",
        " " * 60000 + "x",
    ],
)
@pytest.mark.timeout(10)
def test_hostile_values_stay_bounded(hostile):
    assert len(normal_forms(hostile)) <= MAX_FORMS


@settings(max_examples=200, deadline=None)
@given(value=st.text(max_size=300))
def test_any_text_can_be_fingerprinted(value):
    stored = FINGERPRINTER.of_stored(SecretValue(value))
    leaked = FINGERPRINTER.of_leaked(SecretValue(value))
    assert {one.digest for one in stored} == {one.digest for one in leaked}


def test_another_key_gives_other_digests_and_another_key_id():
    value = SecretValue("pgw_live_9fQ2xLbV7rTz")
    one = Fingerprinter(SecretValue(generate_key()))
    other = Fingerprinter(SecretValue(generate_key()))
    assert one.key_id != other.key_id
    assert not {a.digest for a in one.of_stored(value)} & {b.digest for b in other.of_leaked(value)}


def test_a_key_may_be_hex_or_base64():
    raw = bytes.fromhex(KEY)
    value = SecretValue("pgw_live_9fQ2xLbV7rTz")
    expected = FINGERPRINTER.of_stored(value)[0].digest
    for text in (KEY, KEY.upper(), b64_bytes(raw), b64_bytes(raw).rstrip("="), KEY + "\n"):
        assert Fingerprinter(SecretValue(text)).of_stored(value)[0].digest == expected


def b64_bytes(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("key", ["", "abc", "5f" * 31, "zz" * 32, "not a key at all !"])
def test_a_key_of_the_wrong_size_is_refused_without_being_repeated(key):
    with pytest.raises(BadInputError) as caught:
        Fingerprinter(SecretValue(key))
    assert "openssl rand -hex 32" in caught.value.do_now
    assert not key or key not in str(caught.value)


def test_nothing_shows_the_key_or_the_value():
    assert KEY not in repr(FINGERPRINTER)
    assert "fQ2x" not in repr(FINGERPRINTER.of_stored(SecretValue("pgw_live_9fQ2xLbV7rTz")))
