"""What travels about executors: their machines, and the orders that these carry out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from falaj.schemas import states


@dataclass(frozen=True)
class ExecutorMachine:
    """A machine of an executor; `state` is `invited`, `enrolled` or `silent`."""

    machine: str
    state: states.LocationState
    seen_at: float | None
    certified_until: float | None
    enrolled_at: float | None


@dataclass(frozen=True)
class Executor:
    """An executor of platform.yaml, how many steps wait for it and run there, and its machines."""

    executor: str
    kind: str
    jurisdiction: str
    default: bool
    waiting: int
    running: int
    machines: list[ExecutorMachine]


@dataclass(frozen=True)
class MachineInvitation:
    """What a machine needs to come in; by the fingerprint of the authority it knows the server at that port."""

    executor: str
    machine: str
    token: str
    expires_at: float
    port: int
    fingerprint: str


@dataclass(frozen=True)
class LeasedOrder:
    """An order that a machine holds now.

    `order` is the document of the step. What comes of it is encrypted with `output_key` (base64, of that id), for
    `tenant`; where the store is not encrypted it is empty. `secrets` are those that the step declares.
    """

    key: str
    lease: str
    lease_s: float
    order: dict[str, Any]
    tenant: str
    output_key_id: str
    output_key: str = field(repr=False)
    secrets: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class LeaseState:
    """State of an order that a machine holds: `leased`, or `cancelling` where the step shall stop."""

    state: str


@dataclass(frozen=True)
class ObjectAccess:
    """An object of an artifact, and the key (base64) that opens it alone; empty where it lies in the clear."""

    name: str
    size: int
    tenant: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class ArtifactAccess:
    """The objects of an artifact."""

    objects: list[ObjectAccess]
