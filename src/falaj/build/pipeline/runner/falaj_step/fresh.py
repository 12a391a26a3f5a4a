"""Imports the project's modules by their text alone.

Python takes compiled files for current when size and modification time in whole seconds agree, so a module that is
changed twice within a second would run as it was, under the fingerprint of what it is. Here it is compiled from its
text by every process; nothing is written into the project's folder, and no step leaves code to the next. Installed
packages keep their compiled files where they are.
"""

# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH112

from __future__ import annotations

import os
import sys

# `importlib.machinery` gives the same classes, and imports `warnings` for it
from _frozen_importlib_external import ExtensionFileLoader, FileFinder, SourceFileLoader
from _imp import extension_suffixes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


class FromText(SourceFileLoader):
    """A loader that reads no compiled file."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the module's text."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def import_from_text(worktree: str) -> None:
    """Let every module below a folder be compiled from the text that it has when it is imported.

    Args:
        worktree: The project's folder.
    """

    def hook(path: str) -> FileFinder:
        inside = path == worktree or path.startswith(worktree + os.sep)
        if not inside or f"{os.sep}site-packages" in path or not os.path.isdir(path):
            raise ImportError
        return FileFinder(path, (ExtensionFileLoader, extension_suffixes()), (FromText, [".py"]))

    sys.path_hooks.insert(0, hook)
    for path in [path for path in sys.path_importer_cache if path.startswith(worktree)]:
        del sys.path_importer_cache[path]
