"""Looks at what is outside the database and can drift: the platform file on this machine, and the keys."""

from __future__ import annotations

from falaj.api.platform import Platform
from falaj.config.platform_file import PlatformFileError, load_platform
from falaj.control.releases.registry import CONTROLLER
from falaj.control.runs.connections import platform_file
from falaj.core.home import Home
from falaj.storage import EventRow
from falaj.trust.audit import record
from falaj.trust.settings import ConfigurationDrift, DriftInputs, exposed, fingerprints, look, remember

_EVERY_S = 300.0


def surroundings(home: Home) -> DriftInputs:
    """What a look for drift sees beside the database."""
    keys = fingerprints(home.keys)
    open_to_others = tuple(exposed(home.keys))
    file = platform_file(home)
    if not file.exists() and "FALAJ_PLATFORM_FILE" not in home.settings:
        return DriftInputs(keys=keys, exposed=open_to_others)
    try:
        return DriftInputs(load_platform(file).spec, keys=keys, exposed=open_to_others)
    except PlatformFileError as error:
        return DriftInputs(file_error=str(error), keys=keys, exposed=open_to_others)


def tell_refusals(platform: Platform, now: float) -> int:
    """Write which rows were refused since this was asked last: to the audit log, and as an alert; return how many."""
    refusals = platform.database.facts.take_refusals() if platform.database.facts is not None else []
    if not refusals:
        return 0
    with platform.database.transaction() as session:
        for each in refusals:
            details = {"table": each.kind, "row": each.subject, "reason": each.reason}
            record.write(session, "fact.refused", CONTROLLER, f"fact/{each.kind}", now, details, outcome="denied")
            session.add(EventRow(at=now, subject=f"fact/{each.kind}", kind="fact.refused", data=details))
    return len(refusals)


class DriftWatch:
    """Looks for drift now and then, and raises `platform.drift`.

    Args:
        platform: The installation; `FALAJ_DRIFT_EVERY_S` of its settings says how often, 300 by default.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._every_s = float(platform.home.settings.get("FALAJ_DRIFT_EVERY_S") or _EVERY_S)
        self._next = 0.0

    def turn(self, now: float) -> tuple[ConfigurationDrift, ...]:
        """Look if it is time; return the drift that two looks in a row found.

        Args:
            now: Unix seconds.
        """
        if now < self._next:
            return ()
        self._next = now + self._every_s
        host_state = surroundings(self._platform.home)
        if self._platform.database.facts is not None:
            self._platform.database.facts.versions.prune(now)
        with self._platform.database.transaction() as session:
            return remember(session, look(session, host_state, now), now)
