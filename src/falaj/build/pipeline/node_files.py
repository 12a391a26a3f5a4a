"""Names of files that belong to a node of a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

LOGS = "logs"


def safe_name(node: str) -> str:
    """A file name for a node: letters and digits stay, and different nodes never share one."""
    plain = "".join(each if each.isalnum() or each in "-_.=[]," else "_" for each in node)[:100]
    return plain if plain == node else f"{plain}-{hashlib.sha256(node.encode()).hexdigest()[:8]}"


def step_log(run_dir: Path, node: str) -> Path:
    """Where what a node printed is kept in the folder of its run."""
    return run_dir / LOGS / f"{safe_name(node)}.log"
