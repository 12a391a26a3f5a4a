"""Sessions, tokens, approval keys and accounts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from falaj.schemas import api, identity
from falaj.sdk.http import Transport

_PREFIX = "/api/v1"
_AUTH = f"{_PREFIX}/auth"


class IdentityCalls:
    """The calls that people make about themselves.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def set_up(self, link: str, name: str, email: str, password: str) -> identity.LoggedIn:
        """Make the first administrator with the one-time link of the installation, and log in."""
        payload = {"link": link, "name": name, "email": email, "password": password}
        return api.decode(identity.LoggedIn, self._transport.json("POST", f"{_AUTH}/setup", payload))

    def log_in(self, name: str, password: str, otp: str = "") -> identity.LoggedIn:
        """Open a session."""
        payload = {"name": name, "password": password, "otp": otp}
        return api.decode(identity.LoggedIn, self._transport.json("POST", f"{_AUTH}/login", payload))

    def choose_password(self, link: str, password: str) -> None:
        """Choose a password with a one-time link."""
        self._transport.json("POST", f"{_AUTH}/password", {"link": link, "password": password})

    def step_up(self, password: str = "", otp: str = "") -> identity.SteppedUp:
        """Prove again who one is."""
        answer = self._transport.json("POST", f"{_AUTH}/step-up", {"password": password, "otp": otp})
        return api.decode(identity.SteppedUp, answer)

    def log_out(self) -> None:
        """End the session of this client."""
        self._transport.json("POST", f"{_AUTH}/logout")

    def whoami(self) -> identity.WhoAmI:
        """Whom the server takes this client for."""
        return api.decode(identity.WhoAmI, self._transport.json("GET", f"{_AUTH}/whoami"))

    def create_token(self, label: str, actions: Sequence[str], days: float, service: str = "") -> identity.IssuedToken:
        """Make a token.

        Args:
            label: What people recognise it by.
            actions: What it may be used for at most.
            days: Until it expires.
            service: The service that it acts as; empty for oneself.
        """
        payload = {"label": label, "actions": list(actions), "days": days}
        path = f"{_PREFIX}/services/{quote(service, safe='')}/tokens" if service else f"{_AUTH}/tokens"
        return api.decode(identity.IssuedToken, self._transport.json("POST", path, payload))

    def tokens(self, limit: int | None = None, *, services: bool = False) -> list[identity.Token]:
        """One's own tokens, or those of all services, the newest first; all of them without a limit."""
        path = f"{_PREFIX}/services/tokens" if services else f"{_AUTH}/tokens"
        return self._transport.list(identity.Token, path, limit=limit)

    def revoke_token(self, token_id: str, *, services: bool = False) -> None:
        """Revoke one of one's own tokens, or as an administrator any."""
        path = f"{_PREFIX}/services/tokens" if services else f"{_AUTH}/tokens"
        self._transport.json("DELETE", f"{path}/{quote(token_id, safe='')}")

    def register_key(self, path: Path, person: str) -> identity.ApprovalKey:
        """Register the approval key in a file, made when there is none; its private half stays in the file.

        Args:
            path: PEM file of mode 0600.
            person: Principal id of who is logged in.
        """
        from falaj.supply_chain.attestations.keys import load_or_create_key

        signer = load_or_create_key(path)
        proof = base64.b64encode(signer.sign(identity.key_proof(person, signer.key_id))).decode()
        answer = self._transport.json("POST", f"{_AUTH}/approval-keys", {"pem": signer.public_pem, "proof": proof})
        return api.decode(identity.ApprovalKey, answer)

    def approval_keys(self) -> list[identity.ApprovalKey]:
        """One's own keys that are good now."""
        return self._transport.list(identity.ApprovalKey, f"{_AUTH}/approval-keys")

    def revoke_key(self, key_id: str) -> None:
        """Revoke one of one's own keys."""
        self._transport.json("DELETE", f"{_AUTH}/approval-keys/{quote(key_id, safe='')}")

    def enrol_totp(self) -> identity.TotpEnrolment:
        """Begin to enrol an application for one-time passwords."""
        return api.decode(identity.TotpEnrolment, self._transport.json("POST", f"{_AUTH}/totp"))

    def confirm_totp(self, otp: str) -> None:
        """End the enrolment with a code of the application."""
        self._transport.json("POST", f"{_AUTH}/totp/confirm", {"otp": otp})

    def remove_totp(self) -> None:
        """Forget the application."""
        self._transport.json("DELETE", f"{_AUTH}/totp")


class AccountCalls:
    """The calls of administrators.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, limit: int | None = None) -> list[identity.Account]:
        """The accounts by name; all of them without a limit."""
        return self._transport.list(identity.Account, f"{_PREFIX}/accounts", limit=limit)

    def invite(
        self, name: str, email: str, groups: Sequence[str] = (), roles: Sequence[identity.GrantedRole] = ()
    ) -> identity.PasswordLink:
        """Make an account of a person; the link is for that person."""
        payload = {"name": name, "email": email, "groups": [*groups], "roles": [_role(role) for role in roles]}
        return api.decode(identity.PasswordLink, self._transport.json("POST", f"{_PREFIX}/accounts", payload))

    def link(self, name: str, *, without_totp: bool = False) -> identity.PasswordLink:
        """Make a new link for someone who forgot the password, or with `without_totp` lost the phone."""
        answer = self._transport.json("POST", self._path(name, "link"), {"without_totp": without_totp})
        return api.decode(identity.PasswordLink, answer)

    def lock(self, name: str, reason: str) -> identity.Account:
        """Lock the account of a person, or of a service as `service:NAME`."""
        return api.decode(identity.Account, self._transport.json("POST", self._path(name, "lock"), {"reason": reason}))

    def unlock(self, name: str) -> identity.Account:
        """Unlock an account."""
        return api.decode(identity.Account, self._transport.json("POST", self._path(name, "unlock")))

    def set_roles(self, name: str, roles: Sequence[identity.GrantedRole]) -> identity.Account:
        """Give an account these roles and no others."""
        payload = [_role(role) for role in roles]
        return api.decode(identity.Account, self._transport.json("PUT", self._path(name, "roles"), payload))

    @staticmethod
    def _path(name: str, operation: str) -> str:
        return f"{_PREFIX}/accounts/{quote(name, safe='')}/{operation}"


def _role(role: identity.GrantedRole) -> dict[str, Any]:
    return {"role": role.role, "project": role.project, "environment": role.environment}
