"""Clients of the API that act as a given principal, and the roles that they hold."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from falaj.api.authentication import PEER
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import Database
from falaj.storage.policy_tables import RoleBindingRow


def acting_as(app: FastAPI, principal: Principal | str) -> TestClient:
    """A client whose requests arrive as those of a principal, as if its certificate had been verified."""
    caller = principal if isinstance(principal, Principal) else person(principal)

    async def verified(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, PEER: caller}, receive, send)

    return TestClient(verified, raise_server_exceptions=False)


def person(name: str, **others: Any) -> Principal:
    """A user."""
    return Principal(f"user:{name}", PrincipalKind.USER, **others)


def grant(
    database: Database, name: str, role: str, *, project: str | None = None, environment: str | None = None
) -> None:
    """Bind a role to a user."""
    row = RoleBindingRow(
        tenant="default", principal=f"user:{name}", role=role, project=project, environment=environment,
        granted_by="test", granted_at=0.0,
    )  # fmt: skip
    with database.transaction() as session:
        session.add(row)
