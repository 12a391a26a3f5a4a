"""From what is wanted to what may be served: admits endpoints one by one, beside the loop that looks after them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from falaj.core.errors import FalajError
from falaj.dataplane.agent.state_store import Memory, Remembered
from falaj.dataplane.desired_state import (
    DesiredEndpoint,
    DesiredState,
    EndpointState,
    EndpointStatus,
    ReleaseRole,
    Servable,
)
from falaj.dataplane.errors import NotAdmittedError

Arm = tuple[str, int]
"""Name of an endpoint and number of a release."""
RETRY_AFTER_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """What the runtime may serve now, and what stands in the way of the rest.

    Args:
        desired: The desired state that this belongs to.
        servables: What is wanted and admitted, in order; of an endpoint whose primary release is not, what it served
            before as well.
        obstacles: What to report of the wanted releases that are not among the servables.
    """

    desired: DesiredState = field(default_factory=DesiredState)
    servables: tuple[Servable, ...] = ()
    obstacles: dict[Arm, EndpointStatus] = field(default_factory=dict)


class AdmissionQueue:
    """Admits what is wanted.

    Args:
        admit: Checks one endpoint; raises what stands in the way.
        readmit: Checks again one that was admitted before a restart.
        memory: Where wanted and admitted are remembered.
        changed: Called after every change of the offer.
    """

    def __init__(
        self,
        admit: Callable[[DesiredEndpoint], Servable],
        readmit: Callable[[Remembered], Servable],
        memory: Memory,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._admit = admit
        self._readmit = readmit
        self._memory = memory
        self._changed = changed
        self._lock = threading.Lock()
        self._desired = memory.desired()
        self._admitted: dict[Arm, Servable] = {}
        self._obstacles: dict[Arm, EndpointStatus] = {}

    def recall(self) -> None:
        """Admit again what was admitted before the restart, so that nothing that serves is taken for superfluous."""
        target_names = {endpoint.name for endpoint in self._desired.endpoints} | self._desired.refused.keys()
        recalled = {_arm(item.endpoint): item for item in self._memory.admitted() if item.endpoint.name in target_names}
        self._try(
            (item.endpoint for item in recalled.values()), lambda endpoint: self._readmit(recalled[_arm(endpoint)])
        )

    def want(self, desired: DesiredState) -> None:
        """Take a new desired state; endpoints that are not in it end at once."""
        self._memory.keep_desired(desired)
        for name, each in desired.refused.items():
            _log.error("endpoint.unreadable endpoint=%s release=%d reason=%s", name, each.release, each.reason)
        with self._lock:
            self._desired = desired
            self._admitted = self._needed()
            self._obstacles = {_arm(e): _waiting(e) for e in desired.endpoints if not self._is_admitted(e)}
        self._changed()

    def admit_missing(self) -> bool:
        """Try every wanted endpoint that is not admitted; tell whether none is left."""
        self._try((item for item in self._desired.endpoints if not self._is_admitted(item)), self._admit)
        return not self._obstacles

    def offer(self) -> Offer:
        """What may be served now."""
        with self._lock:
            servables = tuple(self._admitted[arm] for arm in sorted(self._admitted))
            return Offer(self._desired, servables, dict(self._obstacles))

    def _is_admitted(self, endpoint: DesiredEndpoint) -> bool:
        current = self._admitted.get(_arm(endpoint))
        return current is not None and current.endpoint == endpoint

    def _needed(self) -> dict[Arm, Servable]:
        """What of the admitted is still needed: what is wanted, and what an endpoint served while its primary waits."""
        desired_arms = {_arm(endpoint): endpoint for endpoint in self._desired.endpoints}
        waiting = {
            e.name for arm, e in desired_arms.items() if e.role is ReleaseRole.PRIMARY and arm not in self._admitted
        }
        waiting |= self._desired.refused.keys()  # what is described wrongly is no wish to stop what serves
        return {arm: item for arm, item in self._admitted.items() if arm in desired_arms or arm[0] in waiting}

    def _try(self, endpoints: Iterable[DesiredEndpoint], admit: Callable[[DesiredEndpoint], Servable]) -> None:
        for endpoint in list(endpoints):
            try:
                servable = admit(endpoint)
            except (FalajError, OSError) as error:
                self._note(endpoint, error)
            else:
                self._accept(endpoint, servable)
            self._changed()

    def _accept(self, endpoint: DesiredEndpoint, servable: Servable) -> None:
        _log.info("endpoint.admitted endpoint=%s release=%d", endpoint.name, endpoint.release)
        with self._lock:
            names = {
                desired_endpoint.name for desired_endpoint in self._desired.endpoints
            } | self._desired.refused.keys()
            if endpoint.name not in names:
                return  # no longer wanted; admitting took longer than that
            self._admitted[_arm(endpoint)] = servable
            self._admitted = self._needed()
            self._obstacles.pop(_arm(endpoint), None)
            self._memory.keep_admitted(self._admitted.values())

    def _note(self, endpoint: DesiredEndpoint, error: Exception) -> None:
        _log.warning("endpoint.refused endpoint=%s release=%d reason=%s", endpoint.name, endpoint.release, error)
        final = isinstance(error, NotAdmittedError)
        state = EndpointState.FAILED if final else EndpointState.PENDING
        with self._lock:
            self._obstacles[_arm(endpoint)] = EndpointStatus(endpoint.name, endpoint.release, state, 0, str(error))


def _arm(endpoint: DesiredEndpoint) -> Arm:
    return endpoint.name, endpoint.release


def _waiting(endpoint: DesiredEndpoint) -> EndpointStatus:
    message = "fetching and verifying the release"
    return EndpointStatus(endpoint.name, endpoint.release, EndpointState.PENDING, 0, message)
