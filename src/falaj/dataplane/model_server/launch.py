"""Start the model server with the Python of a project's environment, where Falaj is not installed.

Run by path: `PROJECT_PYTHON .../modelserver/launch.py --site FALAJ_SITE_PACKAGES --model ...`. The project's own
packages come first, so that a model runs with the libraries it was trained with; Falaj's are appended behind them
for what the project does not have (granian, msgspec, onnxruntime).
"""

from __future__ import annotations

import sys
from pathlib import Path


def add_site(site: Path) -> None:
    """Append Falaj's site-packages and the folder of Falaj itself to the import path.

    Args:
        site: Falaj's site-packages.
    """
    # An editable installation is found through a .pth file, which appending does not read; so this file's own
    # package root is added as well.
    for path in (str(site), str(Path(__file__).resolve().parents[3])):
        if path not in sys.path:
            sys.path.append(path)


def _check_version(site: Path) -> None:
    """Compiled packages fit one minor version of Python only."""
    site_version = site.parent.name
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if site_version.startswith("python") and site_version != here:
        sys.exit(
            f"serving.launcher: this is {here} and {site} is of {site_version} (both must be the same minor version)"
        )


def main() -> int:
    """Find `--site` among the arguments, extend the import path, and serve."""
    arguments = sys.argv[1:]
    if "--site" not in arguments[:-1]:
        sys.exit("serving.launcher: --site SITE_PACKAGES is needed")
    site = Path(arguments[arguments.index("--site") + 1])
    _check_version(site)
    own = str(Path(__file__).resolve().parent)  # its module names would hide others
    sys.path[:] = [path for path in sys.path if path != own]
    add_site(site)
    from falaj.dataplane.model_server.__main__ import main as serve

    return serve(arguments)


if __name__ == "__main__":
    sys.exit(main())
