"""How one replica was told to serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from falaj.dataplane.model_server.predictor import BatchLimits
from falaj.dataplane.prediction_log import LogKey


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of one replica.

    Attributes:
        model: MLflow model folder.
        socket: Path of the Unix socket; None where a port is listened on.
        name: Model name.
        version: Release number.
        endpoint: `environment/model`.
        log: Folder of the prediction log; None for no log.
        log_key: Encrypts the prediction log; None for one in the clear.
        threads: Threads of one model call.
        limits: Bounds of queue and batch.
        max_body_bytes: Longest request body.
        grace_s: How long an ending server waits for what is in flight.
        recalibration: The file that says by what answers are moved; None where nothing moves them.
        recalibration_key: The location's public key that signs it, 32 bytes.
        listen: Address and port, where there is no socket.
    """

    model: Path
    socket: Path | None
    name: str
    version: str
    endpoint: str
    log: Path | None = None
    log_key: LogKey | None = None
    threads: int = 1
    limits: BatchLimits = field(default_factory=BatchLimits)
    max_body_bytes: int = 32 << 20
    grace_s: float = 10.0
    recalibration: Path | None = None
    recalibration_key: bytes = b""
    listen: tuple[str, int] = ("", 0)

    @property
    def place(self) -> str:
        """Where it answers, for logs."""
        return str(self.socket) if self.socket else "{}:{}".format(*self.listen)

    @property
    def release(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"
