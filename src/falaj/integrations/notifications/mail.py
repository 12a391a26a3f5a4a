"""Sends one mail by a server whose address was judged, as receivers of webhooks are (RFC 5321, RFC 3207)."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from falaj.config.notifications import MailSpec
from falaj.core.egress import EgressRules, Resolver, resolve
from falaj.integrations.notifications.errors import NobodyAnsweredError, UndeliveredError

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class MailClient:
    """Brings mails to mail servers.

    Args:
        timeout_s: For each answer of the server.
        resolver: Finds addresses.
        trust: Makes what certificates are judged by.
    """

    timeout_s: float = TIMEOUT_S
    resolver: Resolver = resolve
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context

    def send(self, mail: EmailMessage, spec: MailSpec, password: str, *, allow_private: bool) -> None:
        """Send a mail; it is delivered when the server took it for every recipient.

        Args:
            mail: With its headers.
            spec: The server.
            password: Empty where the server asks for none.
            allow_private: The server may be in a private network.

        Raises:
            ForbiddenAddressError: The name leads where nothing is sent.
            NobodyAnsweredError: Nothing answers, or too slowly.
            UndeliveredError: The server does not take it.
        """
        try:
            rules = EgressRules(any_private=allow_private)
            addresses = rules.require(spec.host, self.resolver(spec.host, spec.port))
            with self._connected(spec, addresses) as server:
                if spec.user:
                    server.login(spec.user, password)
                if refused := server.send_message(mail):
                    raise UndeliveredError(f"the mail server refused {', '.join(sorted(refused))}")
        except smtplib.SMTPAuthenticationError as error:
            raise UndeliveredError(f"the mail server does not take the password ({error.smtp_code})") from None
        except smtplib.SMTPResponseException as error:
            raise UndeliveredError(f"the mail server answered {error.smtp_code}") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise UndeliveredError(f"the mail server refused {', '.join(sorted(error.recipients))}") from None
        except (smtplib.SMTPException, ssl.SSLError) as error:
            raise UndeliveredError(f"the mail server cannot be used: {type(error).__name__}") from None
        except (OSError, UnicodeError) as error:
            raise NobodyAnsweredError(f"no answer: {type(error).__name__}") from error

    def _connected(self, spec: MailSpec, addresses: Sequence[str]) -> smtplib.SMTP:
        context = self.trust()
        if spec.tls == "tls":
            return _SmtpOverTls(spec, addresses, self.timeout_s, context)
        server = _Smtp(spec, addresses, self.timeout_s)
        if spec.tls == "starttls":
            server.starttls(context=context)
        return server


class _Smtp(smtplib.SMTP):
    """Connects to the addresses that were judged, whatever the name means a moment later."""

    def __init__(self, spec: MailSpec, addresses: Sequence[str], timeout_s: float) -> None:
        self._addresses = addresses
        own_name = spec.sender.partition("@")[2]  # asking the network for the machine's name could take long
        super().__init__(spec.host, spec.port, own_name, timeout_s)

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:  # noqa: ARG002 - it was resolved already
        return _connect(self._addresses, port, timeout)


class _SmtpOverTls(_Smtp):
    """The same with TLS from the first byte; the certificate proves the name."""

    def __init__(self, spec: MailSpec, addresses: Sequence[str], timeout_s: float, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(spec, addresses, timeout_s)

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        return self._context.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=host)


def _connect(addresses: Sequence[str], port: int, timeout: float) -> socket.socket:
    failure: OSError = OSError("there is no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
    raise failure
