"""What a machine says of an order that it carried out (pure)."""

from __future__ import annotations

import msgspec

from falaj.build.pipeline.cache import Output
from falaj.build.pipeline.errors import DiskFullError, StepError
from falaj.build.pipeline.mlflow_files import TrackedMetric
from falaj.core.errors import FalajError
from falaj.supply_chain.artifacts.digest import parse_digest

DAMAGED = ("artifact.corrupt", "artifact.missing", "artifact.erased")
"""Codes of a fault that lies in the store, not in the step."""


class ReceiptOutput(msgspec.Struct, frozen=True):
    """One output.

    Args:
        digest: The artifact, every object of which was sent.
        kind: `table`, `json`, `model`, `file` or `folder`.
    """

    digest: str
    kind: str


class ReceiptFault(msgspec.Struct, frozen=True):
    """Why there are no outputs.

    Args:
        code: Stable identifier of the error.
        message: One line.
        where: The place.
        hint: What can be done.
        artifact: The input that could not be read, where that is why.
    """

    code: str
    message: str
    where: str = ""
    hint: str = ""
    artifact: str = ""


class ReceiptRecord(msgspec.Struct, frozen=True):
    """What the step recorded with MLflow.

    Args:
        params: By name.
        tags: By name.
        metrics: Every value.
        artifacts: Artifact of the files that it logged; empty where there are none.
    """

    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    metrics: tuple[TrackedMetric, ...] = ()
    artifacts: str = ""


class StepReceipt(msgspec.Struct, frozen=True):
    """What came of an order.

    Args:
        key: The order.
        outputs: By name; empty where it failed.
        fault: Why it failed; None where it did not.
        record: What was recorded with MLflow, whether it failed or not.
    """

    key: str
    outputs: dict[str, ReceiptOutput] = {}
    fault: ReceiptFault | None = None
    record: ReceiptRecord | None = None

    def artifacts(self) -> tuple[str, ...]:
        """The digests of all that must have been sent."""
        logged = (self.record.artifacts,) if self.record and self.record.artifacts else ()
        return (*(output.digest for output in self.outputs.values()), *logged)

    def results(self) -> dict[str, Output]:
        """The outputs as the cache remembers them."""
        return {name: Output(parse_digest(output.digest), output.kind) for name, output in self.outputs.items()}


def fault_of(error: FalajError, artifact: str = "") -> ReceiptFault:
    """An error as it travels."""
    return ReceiptFault(error.code, error.message, error.where, error.hint, artifact)


def error_of(fault: ReceiptFault) -> FalajError:
    """The error that a fault tells of."""
    kind = DiskFullError if fault.code == DiskFullError.code else StepError
    return kind(fault.message, where=fault.where, hint=fault.hint, code=fault.code)
