"""The part of a step that runs in the project's own python, where Falaj is not installed.

`falaj_step` needs the standard library only and is put on the path by its place; `PROGRAM` starts it.
"""

from __future__ import annotations

from pathlib import Path

PLACE = Path(__file__).resolve().parent
"""The folder that holds `falaj_step`."""

MODELS = PLACE.parents[2] / "models"
"""The folder of the modules that know how models are asked, which a step that returns a model imports by path."""

PROGRAM = "import sys; sys.path[0] = sys.argv[1]; from falaj_step.main import main; del sys.path[0]; main(sys.argv[2])"
"""`python -c PROGRAM PLACE TASK` runs one step. A script's text is compiled at every start; a module's is kept."""

__all__ = ["MODELS", "PLACE", "PROGRAM"]
