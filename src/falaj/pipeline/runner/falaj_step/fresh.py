"""Imports the project's modules by their text alone.

Python takes compiled files for current when size and modification time in whole seconds agree, so a module that is
changed twice within a second would run as it was, under the fingerprint of what it is. Here the compiled form is kept
by a hash of the text, for the steps of one run; nothing is written into the project's folder. Installed packages keep
their compiled files where they are.
"""

# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH105, PTH112, PTH123

from __future__ import annotations

import marshal
import os
import sys

# `importlib.machinery` gives the same classes, and imports `warnings` for it
from _frozen_importlib_external import MAGIC_NUMBER, ExtensionFileLoader, FileFinder, SourceFileLoader
from _imp import extension_suffixes, source_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


def import_from_text(worktree: str, kept: str) -> None:
    """Let every module below a folder be compiled from the text that it has when it is imported.

    Processes started from here compile for themselves and keep nothing.

    Args:
        worktree: The project's folder.
        kept: Compiled modules of this run; the first `compile` of a process takes as long as a small step.
    """

    class FromText(SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType:
            path = self.get_filename(fullname)
            text = self.get_data(path)
            note = os.path.join(kept, f"{_hash(path, text)}.code")  # noqa: PTH118
            code = _read(note)
            if code is None:
                code = self.source_to_code(text, path)
                _write(note, code)
            return code

    def hook(path: str) -> FileFinder:
        inside = path == worktree or path.startswith(worktree + os.sep)
        if not inside or f"{os.sep}site-packages" in path or not os.path.isdir(path):
            raise ImportError
        return FileFinder(path, (ExtensionFileLoader, extension_suffixes()), (FromText, [".py"]))

    sys.path_hooks.insert(0, hook)
    for path in [path for path in sys.path_importer_cache if path.startswith(worktree)]:
        del sys.path_importer_cache[path]
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def _hash(path: str, text: bytes) -> str:
    """Names a text at a path, as PEP 552 does; the key is the version of the compiled form."""
    key = int.from_bytes(MAGIC_NUMBER, "little")
    return source_hash(key, os.fsencode(path) + b"\0" + text).hex()


def _read(note: str) -> CodeType | None:
    try:
        with open(note, "rb") as file:
            code: CodeType = marshal.load(file)  # noqa: S302 - written by a step of this run
            return code
    except (OSError, EOFError, ValueError, TypeError):
        return None


def _write(note: str, code: CodeType) -> None:
    """Keep a compiled module; without it the next step compiles again."""
    staged = f"{note}.{os.getpid()}"
    try:
        with open(staged, "wb") as file:
            marshal.dump(code, file)
        os.replace(staged, note)
    except OSError:
        return
