"""Size of `pip install falaj` in an environment of its own, without and with extras.

python benchmarks/install/size.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_MB = 350.0


def size_mb(folder: Path) -> float:
    """Megabytes of all files, each counted once."""
    sizes = {(stat.st_ino): stat.st_size for path in folder.rglob("*") if (stat := path.lstat()) and path.is_file()}
    return sum(sizes.values()) / 1e6


def installed(what: str, folder: Path) -> float:
    """Install into a fresh environment and measure it."""
    import uv

    uv_bin = uv.find_uv_bin()
    subprocess.run([uv_bin, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    command = [uv_bin, "pip", "install", "--quiet", "--link-mode", "copy", "--python", str(folder / "bin" / "python")]
    subprocess.run([*command, f"{ROOT}{what}"], check=True)
    return size_mb(folder)


def main() -> int:
    """Print a table; 1 when the bare wheel is over its limit."""
    with tempfile.TemporaryDirectory() as scratch:
        sizes = {
            what or "agent": installed(what, Path(scratch) / f"v{n}")
            for n, what in enumerate(["", "[server]", "[all]"])
        }
    for name, size in sizes.items():
        print(f"{name:8} {size:6.0f} MB" + (f"  (limit {LIMIT_MB:.0f})" if name == "agent" else ""))
    return int(sizes["agent"] > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
