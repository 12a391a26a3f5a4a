"""Options that many commands have."""

from __future__ import annotations

from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many.")]
EveryOption = Annotated[bool, typer.Option("--all", help="All of them, whatever the limit.")]
