"""What can go wrong in a location.

UnavailableError
└── LocationError                 location.unavailable
    ├── LocationRefusedError      location.refused          the control plane answers, and refuses
    ├── PortInUseError            location.port-in-use
    ├── GatewayError              location.gateway          Envoy did not start or does not answer
    └── ConfigRejectedError       location.config-rejected  Envoy refused a configuration; the last good one serves
ConflictError
└── AgentRunningError             location.agent-running
IntegrityError
└── NotAdmittedError              location.not-admitted     bytes or evidence do not allow serving
UsageError
├── DesiredStateError             location.desired-state
└── LocationRulesError            location.rules            the location's own rules cannot be read
"""

from __future__ import annotations

from falaj.core.errors import ConflictError, IntegrityError, UnavailableError, UsageError


class LocationError(UnavailableError):
    """A part of the location cannot do its work now."""

    code = "location.unavailable"


class LocationRefusedError(LocationError):
    """The control plane answered that it will not do this."""

    code = "location.refused"


class PortInUseError(LocationError):
    """Another program listens where the gateway must.

    Args:
        port: The port.
        holder: Who has it, such as `python3 (process 812)`; empty when unknown.
        address: Where it listens.
    """

    code = "location.port-in-use"

    def __init__(self, port: int, holder: str = "", address: str = "127.0.0.1") -> None:
        by = f" by {holder}" if holder else ""
        super().__init__(
            f"port {port} of the prediction gateway is in use{by}",
            where=f"{address}:{port}",
            hint="stop that program, or choose another port: falaj up --gateway-port PORT",
        )


class GatewayError(LocationError):
    """Envoy did not start or does not answer."""

    code = "location.gateway"


class ConfigRejectedError(LocationError):
    """Envoy refused a configuration; it keeps serving by the last good one."""

    code = "location.config-rejected"


class AgentRunningError(ConflictError):
    """Another agent keeps this location."""

    code = "location.agent-running"


class NotAdmittedError(IntegrityError):
    """The bytes or the evidence of a release do not allow it to be served."""

    code = "location.not-admitted"


class DesiredStateError(UsageError):
    """What the control plane sent is not a desired state."""

    code = "location.desired-state"


class LocationRulesError(UsageError):
    """The file with a location's own rules is wrong; nothing is admitted until it is right."""

    code = "location.rules"
