# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH103, PTH110, PTH112, PTH118, PTH119, PTH122
"""Keeps a file or folder that a step names as its result."""

from __future__ import annotations

import os
import shutil

from .problem import Problem

SUFFIXES = {".parquet": ("table", "data.parquet"), ".json": ("json", "value.json")}
"""Files whose suffix says what they hold, and the name that they are kept under."""


def keep_path(path: str, target: str) -> str:
    """Copy a file or folder to `target`; return its kind.

    Raises:
        Problem: Nothing is there.
    """
    if os.path.isdir(path):
        shutil.copytree(path, target, symlinks=True)
        return "model" if os.path.exists(os.path.join(path, "MLmodel")) else "folder"
    if not os.path.exists(path):
        raise Problem("step.wrong-output", f"returned the path `{path}`, where there is nothing")
    kind, name = SUFFIXES.get(os.path.splitext(path)[1], ("file", os.path.basename(path)))
    os.makedirs(target)
    shutil.copyfile(path, os.path.join(target, name))
    return kind
