"""Small files that are complete or absent, at every moment."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any


def write_atomically(path: Path, data: bytes, *, scratch: Path | None = None) -> None:
    """Replace a file.

    Args:
        path: The file.
        data: New content.
        scratch: Folder of the same file system for the temporary file; by default the file's own.
    """
    folder = scratch or path.parent
    folder.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{path.name}.{secrets.token_hex(4)}"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Replace a file by a JSON document."""
    write_atomically(path, json.dumps(value, sort_keys=True).encode())


def read_json(path: Path) -> Any:
    """Content of a JSON file; None when there is none or it is damaged (then it is made anew)."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
