"""What the code is like, in figures: `make figures`, or `python benchmarks/code/figures.py --rounds 20`.

Sizes, names, edges between areas and rooms, the command line, and how long it takes to answer in starts of Python.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import grimp
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.test_joints import inner_imports, text_lookups, vague_signatures  # noqa: E402
from tests.test_naming import FOLDERS, banned_names, files  # noqa: E402

from falaj.cli.tree import commands_per_group  # noqa: E402

FALAJ = ROOT / ".venv/bin/falaj"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="interleaved starts of each command")
    rounds = parser.parse_args().rounds
    trees = [ast.parse(path.read_text()) for path in files("src")]
    for name, value in [*sizes(), *names(trees), *edges(), *signatures(trees), *command_line()]:
        print(f"{name:<58} {value}")
    for name, value in starts(rounds):
        print(f"{name:<58} {value}")


def sizes() -> Iterator[tuple[str, object]]:
    """Lines and files of each folder."""
    for folder in ("src", "tests"):
        paths = list(files(folder))
        yield f"lines (files) of {folder}", f"{sum(len(p.read_text().splitlines()) for p in paths)} ({len(paths)})"


def names(trees: Sequence[ast.AST]) -> Iterator[tuple[str, object]]:
    """Names that say nothing, and class names that say too much."""
    classes = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    yield "class names borne by three or more", sum(count >= 3 for count in classes.values())
    yield "class names borne by two", sum(count == 2 for count in classes.values())
    banned = sum(len(banned_names(path.read_text())) for folder in FOLDERS for path in files(folder))
    yield "names of the banned list", banned


def edges() -> Iterator[tuple[str, object]]:
    """Imports against the order of the areas, and circles among the rooms of an area."""
    graph = grimp.build_graph("falaj", cache_dir=None)
    order = {area: height for height, row in enumerate(_areas()) for area in row}
    upward, rooms = 0, defaultdict(lambda: defaultdict[str, set[str]](set))
    for module in graph.modules:
        here = module.split(".")[1:]
        for imported in graph.find_modules_directly_imported_by(module):
            there = imported.split(".")[1:]
            if here and there and here[0] != there[0]:
                upward += order[here[0]] >= order[there[0]]
            elif len(here) > 1 and len(there) > 1 and here[1] != there[1]:
                rooms[here[0]][here[1]].add(there[1])
    yield "imports that run upward between areas", upward
    circles = {area: _circle(edges) for area, edges in rooms.items()}
    yield (
        "rooms of an area that import each other in a circle",
        " ".join(f"{a}:{n}" for a, n in circles.items() if n) or 0,
    )


def _areas() -> list[list[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each.get("containers") == ["falaj"])
    return [row.split(" | ") for row in layers]


def _circle(edges: dict[str, set[str]]) -> int:
    """How many rooms are left when those that import, or are imported by, none of the others are taken away."""
    rooms = set(edges) | {room for needs in edges.values() for room in needs}
    while free := {room for room in rooms if _is_end(room, rooms, edges)}:
        rooms -= free
    return len(rooms)


def _is_end(room: str, rooms: set[str], edges: dict[str, set[str]]) -> bool:
    imports = edges.get(room, set()) & rooms
    return not imports or not any(room in edges.get(other, set()) for other in rooms)


def signatures(trees: Sequence[ast.AST]) -> Iterator[tuple[str, object]]:
    """Types that say nothing, imports that wait, and look-ups in untyped documents."""
    vague, functions = map(sum, zip(*map(vague_signatures, trees), strict=True))
    yield "signatures with Any, object, bare dict or list", f"{vague} of {functions} ({vague / functions:.1%})"
    yield "imports inside of functions", sum(map(inner_imports, trees))
    yield "look-ups by text in .data and .plan", sum(map(text_lookups, trees))


def command_line() -> Iterator[tuple[str, object]]:
    """Commands, and the overview of them."""
    counts = commands_per_group()
    yield "commands per group", " ".join(f"{group} {count}" for group, count in counts.items())
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    overview = subprocess.run([FALAJ, "--help"], env=environment, check=True, capture_output=True, text=True).stdout
    lines = overview.rstrip().splitlines()
    yield "lines (widest) of falaj --help", f"{len(lines)} ({max(map(len, lines))})"


def starts(rounds: int) -> Iterator[tuple[str, str]]:
    """Processor time of commands, as a multiple of a start of Python in the same round: median and middle half."""
    python = [sys.executable, "-I", "-c", "pass"]
    commands = {"falaj --help": [FALAJ, "--help"], "falaj run list --help": [FALAJ, "run", "list", "--help"],
                "import of falaj.cli.main": [sys.executable, "-c", "import falaj.cli.main"]}  # fmt: skip
    ratios = defaultdict[str, list[float]](list)
    for _ in range(rounds):
        bare = _cpu_seconds(python)
        for name, command in commands.items():
            ratios[name].append(_cpu_seconds(command) / bare)
    for name, values in ratios.items():
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        yield f"{name}, in starts of Python", f"{middle:.1f} ({low:.1f} to {high:.1f})"


def _cpu_seconds(command: Sequence[str | Path]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return max(usage.ru_utime + usage.ru_stime, time.get_clock_info("process_time").resolution)


if __name__ == "__main__":
    main()
