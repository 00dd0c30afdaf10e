import base64
import secrets
import string
import textwrap
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from graph.detect import MAX_FOUND, detect
from graph.secret_value import SecretValue

BASE62 = string.ascii_letters + string.digits
PAYMENT = "pgw_live_9fQ2xLbV7rTzK1mN8cWdE4hJ6sYpA3gU"
OPENBAO = "s.AbCdEfGh12345678IjKlMnOp"
VAULT = "hvs.CAESI" + "Jl3Wh0vqkYx7Zt2Rb9" * 5
BATCH = "b.AAAAAQJg_4e9iYev1XEOyHpYydgMVMFaWhuOoo5egPnF52rC_poVlobv5Q3vzze_JxmZLe6Zz2crr2OgRPqX"
KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join(textwrap.wrap(base64.b64encode(bytes(range(1, 250))).decode(), 64))
    + "\n-----END RSA PRIVATE KEY-----"
)


def found(text: str) -> list[tuple[str, str]]:
    return [(one.detector, one.value.reveal()) for one in detect(text)]


@pytest.mark.parametrize("token", [OPENBAO, VAULT, BATCH, OPENBAO + ".1aB2c"])
@pytest.mark.parametrize(
    "text", ["{}", "oops {} sorry", "VAULT_TOKEN={}\n", '{{"token":"{}"}}', "`{}`", "é ü {} ✓"]
)
def test_a_token_of_openbao_or_vault_is_found_wherever_it_stands(token, text):
    assert found(text.format(token)) == [("openbao_token", token)]
    assert detect(text.format(token))[0].confidence == "high"


def test_the_payments_token_is_found_without_any_context():
    [one] = detect(f"hey, is {PAYMENT} still valid?")
    assert one.detector == "generic"
    assert one.value.reveal() == PAYMENT
    assert one.confidence == "medium"


def test_offsets_are_characters_also_after_letters_of_several_bytes():
    text = f"Schlüssel für 支払い 🔑: {PAYMENT} und postgres://app:s3crEtPa55w0rd9@db:5432/app"
    for one in detect(text):
        assert text[one.start : one.end] == one.value.reveal()
    assert [value for _, value in found(text)] == [PAYMENT, "s3crEtPa55w0rd9"]


def test_a_private_key_is_one_finding_with_all_its_lines():
    assert found(f"look:\n{KEY}\nbye") == [("private_key", KEY)]


def test_the_password_of_a_dsn_is_found_without_the_rest():
    [(_, value)] = found("amqp://shop:kX9mQ2LwPz71@mq.internal:5672/")
    assert value == "kX9mQ2LwPz71"


@pytest.mark.parametrize(
    "text",
    [
        "DB_PASSWORD=kX9mQ2LwPz71",
        "export DB_PASSWORD='kX9mQ2LwPz71'",
        'password: "kX9mQ2LwPz71"',
        '{"apiKey": "kX9mQ2LwPz71"}',
        "the password is kX9mQ2LwPz71",
        "Authorization: Bearer kX9mQ2LwPz71",
        "db.signing-key := kX9mQ2LwPz71",
    ],
)
def test_the_value_of_a_secret_setting_is_found(text):
    assert "kX9mQ2LwPz71" in [value for _, value in found(text)]


def test_several_secrets_of_one_paste_are_all_found_in_order():
    text = f"A={PAYMENT}\nVAULT_TOKEN={OPENBAO}\n{KEY}\nDB=postgres://a:s3crEtPa55w0rd9@db/x\n"
    values = [value for _, value in found(text)]
    assert values == [PAYMENT, OPENBAO, KEY, "s3crEtPa55w0rd9"]


def test_known_types_keep_their_names():
    text = "aws AKIAQ3EGRTY7ZXPLM2NB secret=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"
    named = {value: name for name, value in found(text)}
    assert named["AKIAQ3EGRTY7ZXPLM2NB"] == "aws-access-token"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Good morning, who is on call today?",
        "deploy of payments-api to production-eu-west failed, see the dashboard",
        "password: ${DB_PASSWORD}",
        "password: <redacted>",
        "token: {{ vault.token }}",
        "password=********",
        "secret: changeme",
        "the secret is out: we ship on Friday",
        "request 3f2504e0-4f89-11d3-9a0c-0305e82c3301 failed",
        "https://example.com/docs/secrets/how-to-rotate-a-token",
        "s.replace(old_value_of_the_thing_here)",
    ],
)
def test_harmless_text_gives_nothing(text):
    assert found(text) == []


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
@pytest.mark.parametrize("padding", ["", "?", "~~"])  # where the token begins in a group of three
def test_a_secret_in_encoded_text_is_found_and_the_whole_stretch_is_its_place(encode, padding):
    words = f"{padding}hey, I think that I pasted\n{PAYMENT} into the ticket, twice?"
    encoded = encode(words.encode()).decode().strip()
    text = f"please look: {encoded} (from the log)"
    (one,) = [each for each in detect(text) if each.confidence != "low"]
    assert one.value.reveal() == PAYMENT
    assert text[one.start : one.end] == encoded


def test_encoded_text_without_a_secret_is_at_most_a_guess():
    text = base64.b64encode(b"we meet on Friday at ten in the large room, as always").decode()
    assert all(each.confidence == "low" for each in detect(text))


def test_findings_do_not_overlap_and_show_no_value():
    text = f"token = {PAYMENT} password={OPENBAO} url=https://u:{PAYMENT}@host/"
    spans = [(one.start, one.end) for one in detect(text)]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert PAYMENT not in repr(detect(text))
    assert isinstance(detect(text)[0].value, SecretValue)


def test_one_scanner_serves_many_threads():
    texts = [
        f"nr {number}: {''.join(secrets.choice(BASE62) for _ in range(4))} {OPENBAO}"
        for number in range(200)
    ]
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(found, texts):
            assert ("openbao_token", OPENBAO) in result


@pytest.mark.parametrize(
    "part",
    [
        "password=",
        "a",
        "_",
        "x_",
        "-----BEGIN PRIVATE KEY-----",
        "s.",
        "http://a:",
        "A1b2 ",
        "\ud800",
        "aGVsbG8gdGhlcmUgbXkgZ29vZCBmcmllbmQ= ",
        f"aGVsbG8gdGhlcmUgbXkgZ29vZCBmcmllbmQ= {PAYMENT}\n",
    ],
)
@pytest.mark.timeout(60)
def test_a_megabyte_of_anything_is_read_in_bounded_time(part):
    text = part * (1_000_000 // len(part))
    assert len(detect(text)) <= MAX_FOUND


def test_a_huge_env_file_gives_the_first_findings_only():
    text = "\n".join(f"TOKEN_{n}=pgw_live_{secrets.token_hex(16)}" for n in range(MAX_FOUND + 50))
    assert len(detect(text)) == MAX_FOUND
