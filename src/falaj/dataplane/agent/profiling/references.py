"""References of the releases at a location: fetched by digest like their models, kept, and remembered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from falaj.core.errors import FalajError
from falaj.dataplane.agent.fetching import Fetcher
from falaj.dataplane.desired_state import DesiredState
from falaj.dataplane.runtimes.process.files import read_json, write_json
from falaj.statistics.reference import ReleaseReference
from falaj.supply_chain.artifacts.digest import parse_digest

PATIENCE_S = 600.0
_MOST_OPEN = 16
_log = logging.getLogger(__name__)


def known_references(folder: Path) -> Callable[[str], ReleaseReference | None]:
    """What gives the reference of a release (`name@version`), as far as it was fetched already; nothing is fetched.

    Args:
        folder: Where `References` keeps them.
    """
    opened: dict[str, ReleaseReference] = {}

    def reference_of(release: str) -> ReleaseReference | None:
        if release not in opened:
            digest = (read_json(folder / "index.json") or {}).get(release)
            try:
                release_reference = ReleaseReference.read(folder / digest.replace(":", "-")) if digest else None
            except FalajError:
                release_reference = None  # it is being fetched
            if release_reference is None:
                return None
            opened[release] = release_reference
        return opened[release]

    return reference_of


class ReferenceAwaitedError(FalajError):
    """A release has a reference that could not be fetched yet."""

    code, status, exit_code = "monitoring.reference-awaited", 503, 6


class References:
    """The references that this location needs.

    Args:
        folder: Where they are kept.
        fetcher: How artifacts come here.
        clock: Unix time.
        desired_state: The desired state of the location when it is a new one, else None.
    """

    def __init__(
        self,
        folder: Path,
        fetcher: Fetcher,
        clock: Callable[[], float],
        desired_state: Callable[[], DesiredState | None] = lambda: None,
    ) -> None:
        self._folder, self._fetcher, self._clock, self._desired = folder, fetcher, clock, desired_state
        self._index: dict[str, str | None] = read_json(folder / "index.json") or {}
        self._open: dict[str, ReleaseReference | None] = {}
        self._awaited: dict[str, float] = {}

    def refresh(self) -> None:
        """Learn of new releases."""
        if (desired := self._desired()) is not None:
            self.learn(desired)

    def learn(self, desired: DesiredState) -> None:
        """Remember which reference belongs to which release; it is needed for as long as the log speaks of it."""
        by_release = {f"{each.model}@{each.release}": each.reference for each in desired.endpoints}
        if any(self._index.get(name, "") != reference for name, reference in by_release.items()):
            self._index |= by_release
            write_json(self._folder / "index.json", self._index)

    def of(self, release: str) -> ReleaseReference | None:
        """The reference of a release (`name@version`); None when it has none, or none that can be had.

        Raises:
            ReferenceAwaitedError: It could not be fetched yet; after ten minutes the release is taken for one without.
        """
        digest = self._index.get(release)
        if digest is None:
            return None
        if digest not in self._open:
            release_reference = self._fetched(release, digest)
            self._open = dict(list(self._open.items())[1 - _MOST_OPEN :]) | {digest: release_reference}
        return self._open[digest]

    def _fetched(self, release: str, digest: str) -> ReleaseReference | None:
        folder = self._folder / digest.replace(":", "-")
        try:
            if not folder.is_dir():
                folder.parent.mkdir(parents=True, exist_ok=True)
                self._fetcher.fetch(parse_digest(digest), folder)
            return ReleaseReference.read(folder)
        except (FalajError, OSError) as error:
            since = self._awaited.setdefault(digest, self._clock())
            if self._clock() - since < PATIENCE_S:
                raise ReferenceAwaitedError(f"the reference of {release} is not here yet: {error}") from error
            _log.warning("monitoring.without-reference release=%s reason=%s", release, error)
            return None
