"""When sessions of browsers were last used, written down once a minute at most."""

from __future__ import annotations

from falaj.storage import Database
from falaj.trust import identity

_NOTE_EVERY_S = 60.0


class SessionUse:
    """What this process wrote down lately.

    Args:
        database: Where sessions are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[str, float] = {}

    def note(self, secret: str, now: float) -> None:
        """Note that a session was used now.

        Raises:
            RefusedError: It has just ended.
        """
        if now - self._noted.get(secret, 0.0) < _NOTE_EVERY_S:
            return
        self._noted = {each: at for each, at in self._noted.items() if now - at < _NOTE_EVERY_S} | {secret: now}
        with self._database.transaction() as session:
            identity.note_use(session, secret, now)
