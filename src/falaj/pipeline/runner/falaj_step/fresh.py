"""Imports the project's modules from their text alone.

Python takes compiled files for current when size and modification time in whole seconds agree, so a module that is
changed twice within a second would run as it was, under the fingerprint of what it is. Installed packages keep their
compiled files; nothing is written into the project's folder.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


class _FromText(SourceFileLoader):
    """Compiles at every import."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)  # type: ignore[no-any-return, unused-ignore]


def import_from_text(worktree: str) -> None:
    """Let every module below a folder be compiled when it is imported, here and in processes started from here."""

    def hook(path: str) -> FileFinder:
        inside = path == worktree or path.startswith(worktree + os.sep)
        if not inside or f"{os.sep}site-packages" in path or not os.path.isdir(path):  # noqa: PTH112 - see `main`
            raise ImportError
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_FromText, [".py"]))

    sys.path_hooks.insert(0, hook)
    for path in [path for path in sys.path_importer_cache if path.startswith(worktree)]:
        del sys.path_importer_cache[path]
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
