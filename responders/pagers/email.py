"""
Pages by e-mail: plain text over SMTP, encrypted unless the server is on this machine.

Confirmed means: the mail server took the message for every recipient. Whether a person sees it is
another matter, so it is a tier behind something that rings. A refusal of today (4xx, no
connection) is tried again; one for good (5xx) is not. The Message-ID is made from the page's key:
where an answer was lost and the mail is sent twice, mail programs show it once, and the end of an
incident stands below its beginning.

Example::

    kind: email
    host: smtp.example.com
    username: locksmith
    password: from-a-secret-file
    sender: locksmith@example.com
    to: [oncall@example.com]

Source: https://datatracker.ietf.org/doc/html/rfc5321 (replies), https://datatracker.ietf.org/doc/html/rfc3207
(STARTTLS), https://docs.python.org/3/library/smtplib.html.
"""

import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import ClassVar, Literal, Self

import structlog
from pydantic import ConfigDict, Field, SecretStr, model_validator

from responders.page_post import refused
from responders.pager import Page, Pager, PageReceipt, PagerSettings

log = structlog.get_logger()

_ADDRESS = r"^[^\s@<>,;]+@[^\s@<>,;]+$"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_FOR_GOOD = 500  # of SMTP's replies
_SUBJECT = 200  # characters


class EmailSettings(PagerSettings):
    """`security`: starttls, tls (from the first byte) or none; `timeout` in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr | None = None
    sender: str = Field(pattern=_ADDRESS)
    to: tuple[str, ...] = Field(min_length=1)
    ca_cert: str = ""  # a PEM file; empty: the authorities that the system trusts
    timeout: float = Field(default=15.0, gt=0, le=60)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for address in self.to:
            if not address.isprintable() or address.count("@") != 1 or set(" <>,;") & set(address):
                raise ValueError("`to` holds what is no e-mail address")
        if self.security == "none" and self.host not in _LOOPBACK:
            raise ValueError("`security: none` is for a mail server on this machine only")
        if self.username and self.password is None:
            raise ValueError("`username` needs a `password`")
        return self


class EmailPager(Pager[EmailSettings]):
    """One mail server and the people it writes to."""

    name: ClassVar[str] = "email"
    Settings = EmailSettings

    def page(self, page: Page) -> PageReceipt:
        return self._send(page, f"[{page.severity}] {page.summary}", "page")

    def resolve(self, page: Page) -> PageReceipt:
        return self._send(page, f"[over] {page.summary}", "resolve")

    def _send(self, page: Page, subject: str, action: str) -> PageReceipt:
        settings = self.settings
        try:
            message = self._message(page, subject, action)
            with self._connected() as server:
                if settings.password is not None:
                    server.login(settings.username, settings.password.get_secret_value())
                turned_away = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            final = all(code >= _FOR_GOOD for code, _ in error.recipients.values())
            return self._refused(page, "takes mail for none of the recipients", final=final)
        except smtplib.SMTPResponseException as error:
            final = error.smtp_code >= _FOR_GOOD
            return self._refused(page, f"answered {error.smtp_code}", final=final)
        except smtplib.SMTPNotSupportedError:
            return self._refused(page, "offers no STARTTLS, or no login", final=True)
        except (smtplib.SMTPException, ssl.SSLError):
            return self._refused(page, "did not keep to SMTP or TLS")
        except OSError:
            return self._refused(page, "could not be reached")
        taken = [address for address in settings.to if address not in turned_away]
        missed = f", but not to {', '.join(sorted(turned_away))}" if turned_away else ""
        log.info("page.taken", pager=self.name, owner=page.owner, turned_away=len(turned_away))
        return PageReceipt(
            confirmed=True, sentence=f"{settings.host} took the mail to {', '.join(taken)}{missed}."
        )

    def _connected(self) -> smtplib.SMTP:
        settings = self.settings
        if settings.security == "tls":
            return smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=settings.timeout, context=self._trust()
            )
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout)
        if settings.security == "starttls":
            try:
                server.starttls(context=self._trust())
            except (smtplib.SMTPException, OSError):
                server.close()
                raise
        return server

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.settings.ca_cert or None)

    def _message(self, page: Page, subject: str, action: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.settings.sender
        message["To"] = ", ".join(self.settings.to)
        message["Subject"] = _one_line(subject)[:_SUBJECT]
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = _message_id(f"{page.key}:{action}")
        message["Auto-Submitted"] = "auto-generated"
        if action == "resolve":
            message["In-Reply-To"] = message["References"] = _message_id(f"{page.key}:page")
        lines = [page.summary, "", f"Owner: {page.owner}"]
        lines += [f"{name}: {value}" for name, value in page.details]
        message.set_content("\n".join([*lines, "", page.link]).rstrip() + "\n")
        return message

    def _refused(self, page: Page, what: str, *, final: bool = False) -> PageReceipt:
        return refused(page, self.name, f"{self.settings.host} {what}.", final=final)


def _one_line(text: str) -> str:
    """Outside text in a header must not begin another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _message_id(key: str) -> str:
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@locksmith.invalid>"
