"""Which module has which command: a call imports and builds the commands of one module, not of all of them."""

from __future__ import annotations

from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, ...]] = {
    "projects": ("init", "validate", "schema", "projects", "project", "remote"),
    "platform": ("up", "down", "status", "doctor", "server", "worker", "agent", "mlflow"),
    "runs": ("run", "logs", "runs"),
    "trainings": ("retrain", "triggers"),
    "releases": ("release", "models", "verify", "artifacts", "gc", "releases"),
    "changes": ("promote", "approve", "reject", "review", "rollback", "changes", "change", "cancel-change"),
    "rollouts": ("rollout",),
    "gates": ("gates",),
    "evidence": ("model-card", "evidence"),
    "audit": ("audit",),
    "lineage": ("why", "lineage", "trace"),
    "locations": ("locations",),
    "serving": ("predict", "endpoints"),
    "scoring": ("score",),
    "callers": ("endpoint",),
    "feedback": ("feedback",),
    "predictions": ("predictions",),
    "monitoring": ("monitors", "drift", "performance", "triage", "alerts"),
    "settings": ("plan", "apply", "platform"),
    "keys": ("keys", "secrets"),
    "notifications": ("notifications",),
    "policy": ("policy",),
    "privacy": ("privacy", "compliance"),
    "identity": ("setup", "login", "logout", "password", "whoami", "token", "totp", "approval-key"),
    "federation": ("security-key",),
    "accounts": ("accounts",),
    "profile": ("profile",),
    "simulations": ("monitor",),
}
"""By module of `commands`, in the order of the help; each has a function `register`."""

VALUED = ("--home", "--as")
"""Options of every command that are followed by a value."""


def modules_for(arguments: Sequence[str]) -> tuple[str, ...]:
    """The modules that a command line needs: one, none for the version, or all for help and where no command is known.

    Args:
        arguments: Without the name of the program.
    """
    name = _command(arguments)
    owners = tuple(module for module, names in COMMANDS.items() if name in names)
    return owners if owners or name == "--version" else tuple(COMMANDS)


def _command(arguments: Sequence[str]) -> str:
    """The first word that is neither an option of every command nor the value of one; empty when there is none."""
    rest = iter(arguments)
    for word in rest:
        if word in VALUED:
            next(rest, None)
        elif word == "--version" or not word.startswith("-"):
            return word
        elif word == "--help":
            break
    return ""
