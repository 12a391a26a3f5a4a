"""One attempt of a step as a document that travels, and what came of it (pure).

An order names everything by digest, so that whoever carries it out, here or on another machine, gives the same result.
It holds the names of secrets, never their values.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from falaj.build.pipeline.graph import ONLY_OUTPUT, NodeInput

if TYPE_CHECKING:
    from falaj.build.pipeline.jobs import Job, StepInput


class OrderPart(msgspec.Struct, frozen=True):
    """One artifact that a step reads.

    Args:
        label: The node it comes from, or the source.
        digest: The artifact.
        kind: `table`, `json`, `model`, `file` or `folder`.
        filename: Name of a file artifact; empty for a tree.
        read: Options of the reader.
    """

    label: str
    digest: str
    kind: str
    filename: str = ""
    read: dict[str, Any] = {}


class OrderInput(msgspec.Struct, frozen=True):
    """One entry of a step's `inputs`.

    Args:
        name: As the project file writes it.
        gathered: Whether the step receives a collection of its parts.
        parts: What is read.
    """

    name: str
    gathered: bool
    parts: tuple[OrderPart, ...]


class OrderLimits(msgspec.Struct, frozen=True):
    """What a step reserves and may use.

    Args:
        cpu: Cores.
        memory_bytes: Memory; None is that of the machine.
        disk_bytes: Disk space of its folder; None is most of what is free.
        timeout_s: Seconds until it is stopped; None is no limit.
    """

    cpu: float = 1.0
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    timeout_s: float | None = None


class StepOrder(msgspec.Struct, frozen=True):
    """One attempt of a step.

    Args:
        key: Names this attempt: no two attempts, nor those of two holders of a run, share it.
        run: Id of the run.
        node: The step, or one cell of its matrix.
        fingerprint: Name of its result.
        attempt: Counted from 1.
        fence: Token of who conducts the run; whoever conducts it next has a greater one.
        environment: Digest of the project's python that it needs.
        call: `module:function`; None where it is a command.
        command: Program and arguments; None where it is a function.
        params: Arguments.
        inputs: What it reads.
        outputs: Names of its outputs.
        output: The kind of the unnamed output, where the project declares one.
        named: Whether the project names the outputs.
        files: What it may read of the project; None for all of it.
        limits: What it reserves and may use.
        network: Whether it reaches the network.
        secrets: Names of those that it gets.
        variables: Environment variables beside those that every step has.
        tree: Artifact of the project's files; empty where they lie beside who carries it out.
    """

    key: str
    run: str
    node: str
    fingerprint: str
    attempt: int
    fence: int
    environment: str
    call: str | None
    command: tuple[str, ...] | None
    params: dict[str, Any]
    inputs: tuple[OrderInput, ...]
    outputs: tuple[str, ...]
    output: str | None = None
    named: bool = False
    files: tuple[str, ...] | None = None
    limits: OrderLimits = OrderLimits()
    network: bool = False
    secrets: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    tree: str = ""

    def artifacts(self) -> frozenset[str]:
        """The digests of all that is needed to carry it out."""
        inputs = {part.digest for entry in self.inputs for part in entry.parts}
        return frozenset(inputs | ({self.tree} if self.tree else set()))


class OrderContext(msgspec.Struct, frozen=True):
    """What the orders of one run share.

    Args:
        run: Id of the run.
        environment: Digest of the project's python.
        fence: Token of who conducts the run.
        variables: Environment variables for every step.
    """

    run: str
    environment: str
    fence: int = 0
    variables: dict[str, str] = {}


def order_of(job: Job, attempt: int, context: OrderContext, tree: str = "") -> StepOrder:
    """The order of one attempt.

    Args:
        job: The step.
        attempt: Counted from 1.
        context: Of the run.
        tree: Artifact of the project's files, for who does not have them.
    """
    step = job.node.step
    inputs = zip(job.node.inputs, job.inputs, strict=True)
    return StepOrder(
        key=order_key(context.run, job.fingerprint, attempt, context.fence),
        run=context.run,
        node=job.node.name,
        fingerprint=job.fingerprint,
        attempt=attempt,
        fence=context.fence,
        environment=context.environment,
        call=step.run,
        command=step.command,
        params=dict(job.params),
        inputs=tuple(_input(entry, parts) for entry, parts in inputs),
        outputs=step.outputs or (ONLY_OUTPUT,),
        output=step.output,
        named=bool(step.outputs),
        files=job.files,
        limits=OrderLimits(step.cpu, step.memory_bytes, step.disk_bytes, step.timeout_s),
        network=step.network,
        secrets=step.secrets,
        variables=context.variables,
        tree=tree,
    )


def order_key(run: str, fingerprint: str, attempt: int, fence: int) -> str:
    """64 hex digits that name one attempt."""
    return hashlib.sha256(f"{run}\n{fingerprint}\n{attempt}\n{fence}".encode()).hexdigest()


def _input(entry: NodeInput, parts: tuple[StepInput, ...]) -> OrderInput:
    return OrderInput(entry.name, entry.gathered, tuple(map(_part, parts)))


def _part(part: StepInput) -> OrderPart:
    return OrderPart(part.label, part.digest, part.kind, part.filename, dict(part.read))
