"""Keys of a location's prediction log: for those who write it, and for those who read it."""

from __future__ import annotations

from pathlib import Path

from falaj.core.home import Home
from falaj.dataplane.prediction_log import LogKeys, new_log_key, segments
from falaj.dataplane.runtimes.process.replica import GiveLogKey
from falaj.supply_chain.encryption import KeyScope, Keystore, Mode, home_scope, mode

_NOTE = "sealed-logs"


def writer_keys(home: Home, chest: Keystore, folder: Path, jurisdiction: str | None) -> GiveLogKey | None:
    """What gives each replica that is started a key of its own, for its pipe; None when logs stay in the clear.

    A key for each start, so that none reads what an earlier one wrote, and none writes in another's name.

    Args:
        home: The installation that the agent belongs to; its keys never leave its machine.
        chest: Its data keys.
        folder: Of the prediction log.
        jurisdiction: Of the location; None for the installation's.
    """
    if mode(home.settings) is Mode.OFF:
        return None
    if not _is_noted(home, folder) and not segments(folder):
        home.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (home.keys / _NOTE).open("a") as file:
            file.write(f"{folder.absolute()}\n")
    scope = KeyScope(jurisdiction=jurisdiction) if jurisdiction else home_scope(home.settings)

    return lambda owner: new_log_key(chest.current(scope), owner).to_bytes()


def reader_keys(home: Home, chest: Keystore, folder: Path) -> LogKeys:
    """What reads a log. One that was encrypted from its beginning holds nothing in the clear, and none is believed.

    Args:
        home: The installation.
        chest: Its data keys.
        folder: Of the prediction log.
    """
    return LogKeys(chest.find, only_sealed=_is_noted(home, folder))


def _is_noted(home: Home, folder: Path) -> bool:
    note = home.keys / _NOTE
    return note.exists() and str(folder.absolute()) in note.read_text().splitlines()
