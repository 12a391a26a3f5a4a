"""Callers of endpoints as the API tells of them."""

from __future__ import annotations

from dataclasses import dataclass

from falaj.schemas import states


@dataclass(frozen=True)
class EndpointCaller:
    """Who may ask an endpoint; `id` is the pseudonym in logs, `let_in_at` are the locations that let it in now."""

    id: str
    endpoint: str
    name: str
    kind: states.CallerKind
    state: states.CallerState
    created_at: float
    created_by: str
    expires_at: float
    ended_at: float | None
    let_in_at: list[str]


@dataclass(frozen=True)
class AddedCaller:
    """A new caller with its credential, which is stored nowhere: a token, or a certificate in PEM."""

    caller: EndpointCaller
    credential: str
