"""E-mail pages against a real mail server: taken, refused for now, refused for good, encrypted."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from bot.sandbox.loopback import free_port
from responders.pagers.email import EmailPager, EmailSettings
from tests.responders.pagers.a_page import PAGE

PASSWORD = "sm7p-p4ssword"


class Mailbox:
    """Keeps what it is given; `replies` are what it says instead, one per message."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.replies: list[str] = []

    async def handle_RCPT(  # noqa: N802 - a name of aiosmtpd
        self, server: SMTP, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("gone"):
            return "550 no such mailbox"
        if address.startswith("grey"):
            return "450 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.replies:
            return self.replies.pop(0)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[tuple[Mailbox, int]]:
    def authenticate(*given: Any) -> AuthResult:
        data = given[-1]
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    box = Mailbox()
    options: dict[str, Any] = {}
    if tls is not None:
        options = {
            "tls_context": tls,
            "require_starttls": True,
            "authenticator": authenticate,
            "auth_required": True,
        }
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def pager(port: int, **more: Any) -> EmailPager:
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "locksmith@example.com",
        "to": ["oncall@example.com"],
        "timeout": 5,
        **more,
    }
    return EmailPager(EmailSettings.model_validate(settings))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate of its own for 127.0.0.1, key and all in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_a_page_is_plain_mail_and_its_end_answers_it() -> None:
    with mail_server() as (box, port):
        taken = pager(port).page(PAGE)
        assert taken.confirmed
        assert "oncall@example.com" in taken.sentence
        assert pager(port).page(PAGE).confirmed
        assert pager(port).resolve(PAGE).confirmed
    first, repeat, end = box.messages
    assert first["Subject"].startswith("[critical] payments/gateway leaked")
    assert first.get_content_type() == "text/plain"
    assert "Consumers: 8" in first.get_content()
    assert PAGE.link in first.get_content()
    assert first["Message-ID"] == repeat["Message-ID"]
    assert end["Message-ID"] != first["Message-ID"]
    assert end["In-Reply-To"] == first["Message-ID"]


def test_outside_text_begins_no_header_of_its_own() -> None:
    hostile = PAGE.__class__(
        "key", "inc-1", "team:a", "critical", "leak\r\nBcc: x@evil.example\u2028hello"
    )
    with mail_server() as (box, port):
        assert pager(port).page(hostile).confirmed
    (message,) = box.messages
    assert message["Bcc"] is None
    assert "Bcc: x@evil.example" in message["Subject"]


@pytest.mark.parametrize(
    ("reply", "final"), [("451 later", False), ("421 closing", False), ("554 never", True)]
)
def test_a_refusal_of_today_is_tried_again_and_one_for_good_is_not(
    reply: str, *, final: bool
) -> None:
    with mail_server() as (box, port):
        box.replies = [reply]
        answer = pager(port).page(PAGE)
        assert not answer.confirmed
        assert answer.final is final
        assert pager(port).page(PAGE).confirmed


def test_one_recipient_is_enough_and_none_is_not() -> None:
    with mail_server() as (_, port):
        some = pager(port, to=["gone@example.com", "oncall@example.com"]).page(PAGE)
        assert some.confirmed
        assert "not to gone@example.com" in some.sentence
        none = pager(port, to=["gone@example.com"]).page(PAGE)
        later = pager(port, to=["gone@example.com", "grey@example.com"]).page(PAGE)
    assert not none.confirmed
    assert none.final
    assert not later.confirmed
    assert not later.final, "one of them may take it in a minute"
    nowhere = pager(port, host="mail.invalid", security="starttls").page(PAGE)
    assert not nowhere.final
    assert "could not be reached" in nowhere.sentence


def test_over_starttls_with_a_login(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    given = {
        "host": "localhost",
        "security": "starttls",
        "username": "locksmith",
        "password": PASSWORD,
        "ca_cert": str(certificate),
    }
    with mail_server(context) as (box, port):
        assert pager(port, **given).page(PAGE).confirmed
        assert len(box.messages) == 1
        wrong = pager(port, **{**given, "password": "another"}).page(PAGE)
        assert not wrong.confirmed
        assert wrong.final
        untrusted = pager(port, **{**given, "ca_cert": ""}).page(PAGE)
        assert not untrusted.confirmed
        assert "TLS" in untrusted.sentence
    assert PASSWORD not in repr(pager(port, **given).settings)


def test_a_server_without_starttls_gets_nothing() -> None:
    with mail_server() as (box, port):
        answer = pager(port, security="starttls").page(PAGE)
    assert not answer.confirmed
    assert answer.final
    assert box.messages == []


def test_what_would_send_in_the_clear_is_a_configuration_error() -> None:
    with pytest.raises(ValidationError, match="this machine"):
        pager(25, host="mail.example.com")
    with pytest.raises(ValidationError, match="no e-mail address"):
        pager(25, to=["a@example.com, b@example.com"])
