"""Which long tests a change calls for: `python tests/areas.py BASE` prints the targets of its areas."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

AREAS = {
    "models": ("models", "build", "dataplane/model_server", "core/sandbox", "control/runs"),
    "locations": ("dataplane", "statistics/rollout", "control/releases", "control/changes", "supply_chain"),
    "durability": ("storage", "supply_chain/artifacts", "control/runs", "cli/backup", "api"),
    "lifecycle": ("control", "statistics", "build/pipeline"),
    "ui": ("ui", "api", "schemas"),
    "clusters": ("build/images", "dataplane/runtimes", "infra"),
    "integrations": ("integrations", "build/pipeline", "config/platform_file", "trust/secrets"),
    "engines": ("build/pipeline", "control/executors", "control/step_worker", "control/runs"),
}
"""Rooms of `src/falaj`, and folders beside it, that the long tests of an area go through."""
EVERYTHING = ("pyproject.toml", "uv.lock", "Makefile", "tests/conftest.py", "tests/e2e/", "examples/")
"""What all areas depend on."""


def changed_areas(paths: Iterable[str]) -> list[str]:
    """The areas whose rooms, or tests of these rooms, are among the paths; those with most of them first."""
    changed = list(paths)
    if any(path.startswith(EVERYTHING) for path in changed):
        return list(AREAS)
    counts = {area: sum(_is_of(path, rooms) for path in changed) for area, rooms in AREAS.items()}
    return sorted((area for area, count in counts.items() if count), key=lambda area: -counts[area])


def _is_of(path: str, rooms: Iterable[str]) -> bool:
    return any(path.startswith((f"src/falaj/{room}/", f"tests/{room}/", f"{room}/")) for room in rooms)


def _changed_paths(base: str) -> list[str]:
    command = ("git", "diff", "--name-only", base, "HEAD")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    for area in changed_areas(_changed_paths(sys.argv[1])) if len(sys.argv) > 1 else AREAS:
        print(f"test-{area}")
