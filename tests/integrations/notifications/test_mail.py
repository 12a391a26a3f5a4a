"""Mails by a real mail server, with and without TLS and a password."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from falaj.config.notifications import MailSpec
from falaj.core.egress import ForbiddenAddressError
from falaj.integrations.notifications.errors import NobodyAnsweredError, UndeliveredError
from falaj.integrations.notifications.mail import MailClient
from tests.receivers import certified
from tests.servers import free_ports
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration
PASSWORD = "open sesame"


@dataclass
class Mailbox:
    """What a mail server took."""

    mails: list[Any] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the library calls it so
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 OK"


def proves(_server: Any, _session: Any, _envelope: Any, _mechanism: str, credentials: LoginPassword) -> AuthResult:
    return AuthResult(success=credentials.password == PASSWORD.encode(), handled=False)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return certified(tmp_path, "localhost")


@pytest.fixture
def server(mailbox: Mailbox, chain: Path) -> Iterator[Controller]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    controller = Controller(
        mailbox, hostname="127.0.0.1", port=free_ports(1)[0], tls_context=context, authenticator=proves,
        auth_required=False, ready_timeout=HANGS_AFTER_S,
    )  # fmt: skip
    controller.start()
    yield controller
    controller.stop()


def mail(*recipients: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "falaj@example.org", ", ".join(recipients), "x"
    message.set_content("it happened\n")
    return message


def spec(server: Controller, *recipients: str, **options: Any) -> MailSpec:
    values = {"tls": "starttls", "user": "falaj", **options}
    return MailSpec("localhost", server.port, sender="falaj@example.org", recipients=recipients, **values)


def client(chain: Path) -> MailClient:
    trust = partial(ssl.create_default_context, cafile=chain)
    return MailClient(HANGS_AFTER_S, lambda *_: ["127.0.0.1"], trust)


def test_a_mail_goes_over_tls_with_a_password(server: Controller, mailbox: Mailbox, chain: Path) -> None:
    to = ("ops@example.org", "risk@example.org")
    client(chain).send(mail(*to), spec(server, *to), PASSWORD, allow_private=True)
    (envelope,) = mailbox.mails
    assert tuple(envelope.rcpt_tos) == to and b"it happened" in envelope.content


def test_each_refusal_says_what_it_is_about_and_not_the_password(
    server: Controller, mailbox: Mailbox, chain: Path
) -> None:
    sender, to = client(chain), "ops@example.org"
    with pytest.raises(UndeliveredError, match="does not take the password") as refused:
        sender.send(mail(to), spec(server, to), "wrong secret", allow_private=True)
    assert "wrong secret" not in str(refused.value)
    with pytest.raises(UndeliveredError, match="refused nobody@"):
        sender.send(mail("nobody@example.org"), spec(server, "nobody@example.org"), PASSWORD, allow_private=True)
    with pytest.raises(UndeliveredError, match="SSLCertVerificationError"):
        MailClient(HANGS_AFTER_S, lambda *_: ["127.0.0.1"]).send(
            mail(to), spec(server, to), PASSWORD, allow_private=True
        )
    with pytest.raises(ForbiddenAddressError):
        sender.send(mail(to), spec(server, to), PASSWORD, allow_private=False)
    assert mailbox.mails == []


def test_a_server_that_is_away_is_tried_again(chain: Path) -> None:
    away = MailSpec("localhost", free_ports(1)[0], "starttls", "falaj@example.org", ("ops@example.org",))
    with pytest.raises(NobodyAnsweredError):
        client(chain).send(mail("ops@example.org"), away, "", allow_private=True)
