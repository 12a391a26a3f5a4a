"""Executors and their machines: inviting, listing, putting out, and the orders that machines carry out.

A machine proves who it is by its certificate, and the right to an order by its lease. What it gets are the objects that
the order names, each with the key that opens it alone.
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, BinaryIO

import msgspec
from fastapi import APIRouter, Body, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import Action, action
from falaj.build.pipeline.receipt import StepReceipt
from falaj.control import executors
from falaj.control.executors.transfer_keys import output_key
from falaj.core.errors import UsageError
from falaj.core.principal import Principal
from falaj.schemas import executors as documents
from falaj.schemas import workload
from falaj.storage import RunRow
from falaj.storage.executor_tables import StepOrderRow
from falaj.supply_chain.artifacts import Digest, parse_digest
from falaj.supply_chain.artifacts.manifest import Manifest
from falaj.supply_chain.artifacts.reading import blob_key, manifest_key
from falaj.supply_chain.artifacts.transfer import encrypted_object, grants_of, take_in
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.encryption import home_scope
from falaj.supply_chain.encryption.stream import plain_size, unseal
from falaj.trust import settings
from falaj.trust.pki import agent_certificates, enrolment
from falaj.trust.pki.errors import EnrolmentError
from falaj.trust.secrets import secret_values

router = APIRouter(prefix="/api/v1", tags=["executors"])

ExecutorName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")]
MachineName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,50}\.[a-z0-9]{1,12}$")]
OrderKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
LeaseHeader = Annotated[str, Header(alias="x-falaj-lease", max_length=64)]
ObjectName = Annotated[str, StringConstraints(pattern=r"^(blobs|manifests)/[0-9a-f]{2}/[0-9a-f]{62}$")]
_EXECUTORS = paged("executor", {"executor": (StepOrderRow.executor,)})
_LONG_POLL_S = 20.0
_IN_MEMORY = 8 << 20
_CHUNK = 1 << 20


class MachineCreate(BaseModel):
    """How long the token is to be good, in seconds."""

    model_config = ConfigDict(extra="forbid")
    life_s: float = Field(default=enrolment.INVITATION_LIFE_S, ge=1, le=7 * 86_400)


class FreeCapacity(BaseModel):
    """What a machine has free: cores, and memory in bytes."""

    model_config = ConfigDict(extra="forbid")
    cpu: float = Field(gt=0, le=4096)
    memory_bytes: int = Field(ge=0, le=2**53)


class StepOutput(BaseModel):
    """What a step printed."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, StringConstraints(max_length=1 << 20)]


class CertificateSigningRequest(BaseModel):
    """A request for a certificate (PKCS#10, PEM)."""

    model_config = ConfigDict(extra="forbid")
    request: Annotated[str, StringConstraints(max_length=8192)]


@router.get("/executors", response_model=list[documents.Executor], **action(Action.READ))
def list_executors(platform: Shared, page: Annotated[Paging, Depends(_EXECUTORS)]) -> list[documents.Executor]:
    """Every executor with its machines, by name."""
    with platform.database.reading() as session:
        specs = page.named([*settings.current(session).executors.values()], lambda each: each.name)
        machines = agent_certificates.machines(session, platform.now())
        counts = select(StepOrderRow.executor, StepOrderRow.state, func.count()).group_by(
            StepOrderRow.executor, StepOrderRow.state
        )
        states = {(name, state): count for name, state, count in session.execute(counts)}
    return [
        documents.Executor(
            spec.name, spec.kind, spec.jurisdiction, spec.default, states.get((spec.name, "waiting"), 0),
            states.get((spec.name, "leased"), 0) + states.get((spec.name, "cancelling"), 0),
            [_machine(each) for each in machines if enrolment.executor_of(each.location) == spec.name],
        )
        for spec in specs
    ]  # fmt: skip


@router.post(
    "/executors/{executor}/machines", response_model=documents.MachineInvitation, **action(Action.MANAGE_PLATFORM)
)
def invite(
    executor: ExecutorName, body: MachineCreate, platform: Shared, caller: Caller
) -> documents.MachineInvitation:
    """Make a one-time token for one more machine of an executor."""
    port = platform.home.ports().get("agents")
    if port is None:
        hint = "falaj down, then falaj up --agents-port 8471"
        raise EnrolmentError("no port is open for machines elsewhere", hint=hint, code="workload.no-listener")
    with platform.database.transaction() as session:
        token = enrolment.invite_machine(session, executor, caller.id, platform.now(), body.life_s)
    return documents.MachineInvitation(
        executor, token.location, token.token, token.expires_at, port, platform.authority.fingerprint
    )


@router.delete("/executors/machines/{machine}", status_code=204, **action(Action.MANAGE_PLATFORM))
def forget(machine: MachineName, platform: Shared, caller: Caller) -> None:
    """Put a machine out: its certificates are refused from now on, and so is what it sends."""
    with platform.database.transaction() as session:
        agent_certificates.forget_machine(session, machine, caller.id, platform.now())


@router.post("/executors/machines/certificate", response_model=workload.Certificate, **action(Action.EXECUTE))
def renew_certificate(body: CertificateSigningRequest, platform: Shared, caller: Caller) -> workload.Certificate:
    """Issue the next certificate to a machine that asks with its present one."""
    holder, now = certificates.requested_key(body.request), platform.now()
    with platform.database.transaction() as session:
        row = agent_certificates.renewing(session, _name_of(caller))
        issued = agent_certificates.certify(session, platform.authority, row, holder, now)
    return workload.Certificate(issued.certificate, issued.expires_at)


@router.post("/step-orders/claim", response_model=documents.LeasedOrder | None, **action(Action.EXECUTE))
async def claim(body: FreeCapacity, request: Request, platform: Shared, caller: Caller) -> documents.LeasedOrder | None:
    """Take the order that has waited longest and fits; waits up to 20 s for one, or a quarter of a certificate's life.

    Nothing is given to a machine that has gone while it waited: its lease would only have to run out.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + min(_LONG_POLL_S, platform.authority.life_s / 4)
    executor = enrolment.executor_of(_name_of(caller))
    while not await request.is_disconnected():
        waiting = await run_in_threadpool(executors.waiting_orders, platform.database)
        leased = await run_in_threadpool(_claim, platform, _name_of(caller), body) if executor in waiting else None
        if leased is not None or loop.time() > until or platform.stopping.is_set():
            return leased
        await platform.order_feed.wait(executor, waiting.get(executor, 0), until - loop.time())
    return None


@router.post("/step-orders/{key}/renew", response_model=documents.LeaseState, **action(Action.EXECUTE))
def renew(key: OrderKey, platform: Shared, caller: Caller, lease: LeaseHeader) -> documents.LeaseState:
    """Hold an order for longer, and hear whether its step shall stop."""
    with platform.database.transaction() as session:
        return documents.LeaseState(executors.renew(session, key, _name_of(caller), lease))


@router.post("/step-orders/{key}/output", response_model=bool, **action(Action.EXECUTE))
def keep_output(key: OrderKey, body: StepOutput, platform: Shared, caller: Caller, lease: LeaseHeader) -> bool:
    """Take what a step printed; false where too much waits and it was dropped."""
    with platform.database.transaction() as session:
        executors.require_lease(session, key, _name_of(caller), lease)
        return executors.keep_output(session, key, body.text)


@router.get("/step-orders/{key}/artifacts/{digest}", response_model=documents.ArtifactAccess, **action(Action.EXECUTE))
def access(
    key: OrderKey, digest: str, platform: Shared, caller: Caller, lease: LeaseHeader
) -> documents.ArtifactAccess:
    """The objects of an artifact that an order names, each with the key that opens it alone."""
    artifact = _named(platform, key, digest, _name_of(caller), lease)
    return documents.ArtifactAccess(
        [
            documents.ObjectAccess(
                grant.name,
                grant.size,
                grant.key.tenant if grant.key else "",
                _text(grant.key.secret) if grant.key else "",
            )
            for grant in grants_of(platform.store, artifact)
        ]
    )


@router.get("/step-orders/{key}/artifacts/{digest}/objects/{name:path}", **action(Action.EXECUTE))
def fetch(
    key: OrderKey, digest: str, name: ObjectName, platform: Shared, caller: Caller, lease: LeaseHeader
) -> StreamingResponse:
    """An object of an artifact that an order names, as it lies in the store."""
    artifact = _named(platform, key, digest, _name_of(caller), lease)
    if name not in _objects(artifact, platform.store.manifest(artifact)):
        raise executors.OrderRefusedError("the artifact has no such object", where=name, code="step-order.artifact")
    return StreamingResponse(encrypted_object(platform.store, name), media_type="application/octet-stream")


@router.put("/step-orders/{key}/objects/{name:path}", status_code=204, **action(Action.EXECUTE))
async def send(
    key: OrderKey, name: ObjectName, request: Request, platform: Shared, caller: Caller, lease: LeaseHeader
) -> None:
    """Take an object of an output, encrypted with the key of the lease, if its bytes have the digest of its name."""
    row = await run_in_threadpool(_leased_order, platform, key, _name_of(caller), lease)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        async for chunk in request.stream():
            await run_in_threadpool(spool.write, chunk)
        await run_in_threadpool(_take, platform, row, name, spool)


@router.post("/step-orders/{key}/receipt", status_code=204, **action(Action.EXECUTE))
def settle(
    key: OrderKey, platform: Shared, caller: Caller, lease: LeaseHeader, body: Annotated[dict[str, Any], Body()]
) -> Response:
    """Take what came of an order; the first receipt of who holds it counts."""
    try:
        receipt = msgspec.convert({**body, "key": key}, StepReceipt)
    except msgspec.ValidationError as error:
        raise UsageError(f"this is not a receipt: {error}", code="step-order.receipt") from error
    artifacts = [parse_digest(each) for each in receipt.artifacts()]
    with platform.database.reading() as session:
        executors.require_lease(session, key, _name_of(caller), lease)
    names = {name for each in artifacts for name in _objects(each, platform.store.manifest(each))}
    with platform.database.transaction() as session:
        row = executors.require_lease(session, key, _name_of(caller), lease, to_write=True)
        executors.settle(session, row, receipt, names)
    return Response(status_code=204)


def _machine(member: agent_certificates.Member) -> documents.ExecutorMachine:
    facts = {name: value for name, value in vars(member).items() if name != "location"}
    return documents.ExecutorMachine(member.location, **facts)


def _name_of(caller: Principal) -> str:
    """The name of a machine; its certificate says it."""
    return caller.name.partition("/")[2]


def _claim(platform: Platform, machine: str, free: FreeCapacity) -> documents.LeasedOrder | None:
    executor = enrolment.executor_of(machine)
    data_key = platform.keys.current(home_scope(platform.home.settings)) if platform.store.is_encrypted else None
    with platform.database.transaction() as session:
        enrolment.require_executor(session, executor)
        capacity = executors.Capacity(free.cpu, free.memory_bytes)
        leased = executors.claim(session, executor, machine, capacity, data_key.id if data_key else "")
        if leased is None:
            return None
        secrets = _secrets(platform, session, leased)
    own = output_key(data_key, leased.lease) if data_key else None
    return documents.LeasedOrder(
        leased.order.key, leased.lease, executors.LEASE_S, msgspec.to_builtins(leased.order), own.tenant if own else "",
        own.id if own else "", _text(own.secret) if own else "", secrets,
    )  # fmt: skip


def _secrets(platform: Platform, session: Session, leased: executors.OrderLease) -> dict[str, str]:
    if not leased.order.secrets:
        return {}
    project = session.get_one(RunRow, leased.order.run).project
    return secret_values(session, platform.vault, project, leased.order.secrets)


def _named(platform: Platform, key: str, digest: str, machine: str, lease: str) -> Digest:
    """The artifact, which the order names that the machine holds."""
    row = _leased_order(platform, key, machine, lease)
    order = executors.order_of_row(row)
    if digest not in order.artifacts():
        raise executors.OrderRefusedError("the order does not name it", where=digest[:80], code="step-order.artifact")
    return parse_digest(digest)


def _leased_order(platform: Platform, key: str, machine: str, lease: str) -> StepOrderRow:
    with platform.database.reading() as session:
        return executors.require_lease(session, key, machine, lease)


def _objects(digest: Digest, manifest: Manifest) -> set[str]:
    return {manifest_key(digest), *(blob_key(entry.blob) for entry in manifest.files)}


def _take(platform: Platform, row: StepOrderRow, name: str, spool: Any) -> None:
    size = spool.tell()
    spool.seek(0)
    chunks: Iterable[bytes] = _read(spool)
    if row.data_key and row.lease:
        own = output_key(platform.keys.find(row.data_key), row.lease)
        chunks, size = map(bytes, unseal(chunks, lambda _id: own, name)), plain_size(size)
    take_in(platform.store, name, chunks, size)
    with platform.database.transaction() as session:
        executors.require_lease(session, row.key, row.worker or "", row.lease or "")
        executors.note_upload(session, row.key, row.lease or "", name)


def _read(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()
