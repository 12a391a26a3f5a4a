"""Put, verify and fetch a tree of 5 GB, and report time and peak memory of each.

    python benchmarks/artifacts/large_tree.py [--store URL] [--gigabytes 5] [--work FOLDER]

The tree is one file of half the size and many of 8 MB and 100 kB, no two blocks alike. It needs three times its size
on disk. Fails when the peak is 200 MB or more.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

LIMIT_MB = 200
BLOCK = 1 << 20

ACTIONS = {
    "put": "print(store.put(argument).digest)",
    "put again": "print(store.put(argument).digest)",
    "verify": "store.verify(argument)",
    "fetch": "store.fetch(argument, target)",
}

CHILD = """
import sys
from falaj.supply_chain.artifacts import open_store
store, argument, target = open_store(sys.argv[1]), sys.argv[2], sys.argv[3]
{action}
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0], file=sys.stderr)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", help="address of the store; default: a folder that is removed afterwards")
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--work", type=Path, help="folder for the tree; default: the temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        return measure(options.store or f"{work}/store", Path(work), int(options.gigabytes * 1e9))


def measure(store: str, work: Path, size: int) -> int:
    files = make_tree(work / "tree", size)
    print(f"{size / 1e9:.1f} GB in {files} files")
    argument, digest, worst = str(work / "tree"), "", 0
    for name, action in ACTIONS.items():
        if name == "put again":
            time.sleep(2.5)  # so that the files count as settled
        seconds, peak_mb, output = run(action, store, argument if "put" in name else digest, work / "copy")
        digest = output or digest
        worst = max(worst, peak_mb)
        print(f"{name:10} {seconds:7.2f} s  {size / 1e6 / seconds:9.0f} MB/s  peak {peak_mb:4} MB")
    print("within" if worst < LIMIT_MB else "ABOVE", f"the limit of {LIMIT_MB} MB")
    return 0 if worst < LIMIT_MB else 1


def run(action: str, *arguments: object) -> tuple[float, int, str]:
    """Wall time in seconds, peak memory in MB and output of an action in a process of its own."""
    started = time.perf_counter()
    command = [sys.executable, "-c", CHILD.format(action=action), *map(str, arguments)]
    process = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(process.stderr)
    peak = re.search(r"(\d+) kB", process.stderr)
    assert peak
    return seconds, int(peak[1]) // 1000, process.stdout.strip()


def make_tree(root: Path, size: int) -> int:
    """Write about `size` bytes and return the number of files."""
    data = blocks()
    sizes = [size // 2, *[8 * BLOCK] * (size * 2 // 5 // (8 * BLOCK)), *[100_000] * (size // 10 // 100_000)]
    for number, length in enumerate(sizes):
        path = root / f"{number % 100:02}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for start in range(0, length, BLOCK):
                file.write(next(data)[: length - start])
    return len(sizes)


def blocks() -> Iterator[bytes]:
    """Blocks that look random and all differ, without asking the kernel for all of them."""
    seed, number = os.urandom(BLOCK), 0
    while True:
        number += 1
        yield number.to_bytes(8, "big") + seed[8:]


if __name__ == "__main__":
    sys.exit(main())
