"""Options that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many.")]
EveryOption = Annotated[bool, typer.Option("--all", help="All of them, whatever the limit.")]
JunitOption = Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report of the run to this file.")]
