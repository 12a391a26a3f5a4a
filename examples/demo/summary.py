"""What the demo prints at its end."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from demo.stage import Stage
from demo.terminal import CHECKOUT, FALAJ, PROJECT, SCRATCH, console
from falaj.schemas.api import Run


def summarise(stage: Stage) -> None:
    """Print what the pushes came to, and how fast answers were."""
    if stage.runs:
        console.print()
        console.print(runs_table(stage.runs))
    if stage.answers:
        count, p50, p99 = len(stage.answers.seconds), stage.answers.latency_ms(0.50), stage.answers.latency_ms(0.99)
        console.print(f"\n{count:,} predictions, p50 {p50:.2f} ms, p99 {p99:.2f} ms")


def runs_table(runs: list[Run]) -> Table:
    """One column a run."""
    table = Table(title="What happened", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for number in range(1, len(runs) + 1):
        table.add_column(f"push {number}")
    table.add_row("commit", *(run.commit[:10] for run in runs))
    table.add_row("release", *(f"{run.model}@{run.release}" for run in runs))
    table.add_row("time", *(f"{(run.ended_at or 0) - (run.started_at or 0):.1f} s" for run in runs))
    table.add_row("steps", *map(steps_summary, runs))
    table.add_row("passed", *map(passed_summary, runs))
    return table


def steps_summary(run: Run) -> str:
    """How many steps of a run were executed, and how many came from the cache."""
    states = [step.state for step in run.steps if step.kind == "step"]
    cached = states.count("cached")
    return f"{len(states) - cached} run, {cached} cached"


def passed_summary(run: Run) -> str:
    """How many checks and gates passed, of how many."""
    states = [step.state for step in run.steps if step.kind in ("check", "gate")]
    return f"{sum(state in ('passed', 'succeeded') for state in states)} of {len(states)} checks and gates"


def suggest_next_steps(*, running: bool) -> None:
    """Print what to try in the demo's home."""
    home, project, commands = (path.relative_to(CHECKOUT) for path in (SCRATCH / "home", PROJECT, FALAJ.parent))
    steps = {
        f"export FALAJ_HOME=$PWD/{home} PATH=$PWD/{commands}:$PATH": "",
        "falaj up": "the platform is down, its state is kept",
        "falaj open --no-browser": "the address of the web UI; log in as root with 'only for this demo, never kept'",
        "falaj status": "processes and endpoints",
        "falaj run logs last fit": "what a step wrote",
        "falaj release export flight-delay bundle": "a folder that falaj release verify checks anywhere",
        f"cd {project} && falaj run": "the same pipeline without a server, as in a CI job",
        "falaj down": "stop everything",
    }
    console.print("\n[bold]What to try next[/]")
    for command, what in steps.items():
        if command != "falaj up" or not running:
            console.print(f"  {escape(command):44} [dim]{what}[/]", soft_wrap=True)
    console.print("\nThen build your own: docs/tutorial/first-project.md\n")
