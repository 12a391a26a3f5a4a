"""Install each peer into an environment of its own: install.py FOLDER. What does not install is said, and left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = {
    "mlflow": ["mlflow", "uvicorn"],
    "litserve": ["litserve"],
    "mlserver": ["mlserver"],
    "bentoml": ["bentoml"],
}
MODELS = ["scikit-learn==1.9.1", "lightgbm", "skops", "pandas", "numpy"]


def main() -> None:
    for name, packages in PEERS.items():
        target = Path(sys.argv[1]) / name
        subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
        command = [str(target / "bin/python"), "-m", "pip", "install", "--quiet", *packages, *MODELS]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        print(name, "installed" if installed.returncode == 0 else f"not installed: {installed.stderr.strip()[-300:]}")


if __name__ == "__main__":
    main()
