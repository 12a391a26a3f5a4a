"""Starting a worker: it hides from itself what it must not read, and works."""

from __future__ import annotations

import logging
import signal
from pathlib import Path

from falaj.control.notary import NotaryClient
from falaj.core.home import Home
from falaj.core.sandbox import seclude
from falaj.supply_chain.encryption.file_root import PASSPHRASE_FILE
from falaj.supply_chain.encryption.key_encryption_key import SETTING

_SECRET_FILES = ("token", "label-token", "oidc-secret", "setup-link")

logger = logging.getLogger(__name__)


def run_worker(home: Home, notary: NotaryClient) -> None:
    """Work until SIGTERM, without the keys and credentials of the installation.

    Args:
        home: The installation.
        notary: Signs, and opens data keys.
    """
    hide_keys(home, notary)
    from falaj.control.runs.worker import Worker  # imports libraries that start threads

    worker = Worker(home, notary)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker.run()


def hide_keys(home: Home, notary: NotaryClient) -> bool:
    """Hide the signing keys, root key, tokens and locations from this process; tell whether the kernel did it."""
    folders = {home.keys: notary.public_files(), home.root / "locations": {}}
    try:
        seclude(folders, [*(home.root / name for name in _SECRET_FILES), *_root_key_files(home)])
    except OSError as error:
        logger.warning("the worker can read the signing keys: no namespaces of its own (%s)", error.strerror)
        return False
    return True


def _root_key_files(home: Home) -> list[Path]:
    """The root key and its passphrase, where they lie elsewhere."""
    scheme, _, path = home.settings.get(SETTING, "").partition(":")
    return [Path(each) for each in (path if scheme == "file" else "", home.settings.get(PASSPHRASE_FILE, "")) if each]
