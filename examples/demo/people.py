"""The demo's people: they appoint each other, approve and refuse, and one of them checks what the others did."""

from __future__ import annotations

import subprocess
import sys

from demo.basics import ENDPOINT
from demo.outcomes import SHOWN
from demo.stage import Stage, serves
from demo.terminal import (
    CHECKOUT,
    FALAJ,
    SCRATCH,
    DemoError,
    console,
    falaj,
    falaj_quietly,
    read_json,
    refused,
    show_command,
    wait_for,
)
from falaj.core.home import Home

RELEASE = "flight-delay@1"
PEOPLE = {
    "sara": ("data-scientist", "release-manager"),  # the author of the commits; a small team has few hands
    "omar": ("ml-engineer",),
    "rania": ("release-manager",),
    "rashid": ("release-manager",),
    "noor": ("auditor",),
}
_PASSWORD = "only for this demo, never kept"  # noqa: S105


def appoint(_: Stage) -> str:
    """Make the first administrator by the one-time link, who invites the others."""
    link = (SCRATCH / "home" / "setup-link").read_text().strip()
    person = ("--name", "root", "--email", "root@example.org")
    show_command("falaj", "access", "bootstrap", "LINK", *person)
    with_password("access", "bootstrap", link, *person)
    for name, roles in PEOPLE.items():
        role_options = [word for role in roles for word in ("--role", role)]
        invited = read_json(
            "--account", "root", "access", "account", "add", name, "--email", f"{name}@example.org", *role_options
        )
        with_password("access", "account", "reset-password", invited["link"])
        log_in(name)
    falaj("--account", "root", "access", "account", "list")
    return SHOWN


def log_in(name: str) -> None:
    """A person logs in; approvals ask for that when the last time is longer ago than five minutes."""
    with_password("--account", name, "login")


def with_password(*arguments: str) -> None:
    """Run a command that takes a password, without showing it.

    Raises:
        DemoError: It failed.
    """
    process = falaj_quietly(*arguments, "--password-stdin", stdin_text=f"{_PASSWORD}\n")
    if process.returncode:
        raise DemoError(f"falaj {arguments[0]} failed: {process.stderr.strip()}")


def promote(_: Stage) -> str:
    """Bring release 1 from dev to prod."""
    for name in PEOPLE:
        log_in(name)
    refused(FALAJ, "--account", "omar", "promote", RELEASE, "--to", "prod")
    falaj("--account", "omar", "promote", RELEASE, "--to", "test", "--wait")
    change = request_change("omar", "pre-prod")
    refused(FALAJ, "--account", "sara", "approve", change, "--yes")
    falaj("--account", "rania", "approve", change, "--yes", "--wait")
    change = request_change("omar", "prod")
    falaj("--account", "rashid", "approve", change, "--yes")
    refused(FALAJ, "--account", "rashid", "approve", change, "--yes")
    falaj("--account", "rania", "approve", change, "--yes", "--wait")
    falaj("endpoint", "list")
    falaj("--account", "noor", "why", "prod/flight-delay")
    return SHOWN


def request_change(who: str, environment: str) -> str:
    """Someone asks for release 1 in an environment; the id of the change."""
    show_command("falaj", "--account", who, "promote", RELEASE, "--to", environment)
    change = read_json("--account", who, "promote", RELEASE, "--to", environment, "--reason", "weekly release")
    console.print(f"change {change['id']} is {change['state']}")
    return str(change["id"])


def look_as_auditor(_: Stage) -> str:
    """Verify a release and the log with files alone, and see changed copies fail."""
    bundle, log, key = SCRATCH / "bundle", SCRATCH / "audit-log", SCRATCH / "log.pem"
    falaj("--account", "noor", "release", "export", RELEASE, bundle)
    falaj("release", "verify", bundle, "--environment", "prod", "--location", "local")
    console.print("[dim]one byte of the model is changed; agents ask the same verifier before they load anything[/]")
    model = next((bundle / "model").rglob("*.onnx"))
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    refused(FALAJ, "release", "verify", bundle, "--environment", "prod", "--location", "local")
    tamper_with_the_agents_copy()
    falaj("--account", "noor", "audit", "list", "--kind", "change.", "--limit", 12)
    falaj("--account", "noor", "audit", "export", log, "--key", key)
    verifier = CHECKOUT / "auditors" / "verify_log.py"
    show_command("python", verifier, log, key)
    subprocess.run([sys.executable, verifier, log, key], check=True)
    console.print("[dim]one word of one entry is changed[/]")
    leaves = log / "leaves.jsonl"
    leaves.write_text(leaves.read_text().replace("access.denied", "access.granted", 1))
    refused("python", verifier, log, key)
    return SHOWN


def tamper_with_the_agents_copy() -> None:
    """Change the copy that the agent serves from while nothing runs; the agent throws it away and fetches another."""
    model = next((Home.from_environment().location_dir("local") / "models").rglob("*.onnx"))
    honest = model.read_bytes()
    console.print("[dim]the same byte in the copy that the agent serves from, while the platform is down[/]")
    falaj("down")
    model.chmod(0o644)
    model.write_bytes(honest[:-1] + b"!")
    falaj("up")
    wait_for("the agent to fetch the release again", lambda: model.exists() and model.read_bytes() == honest)
    for endpoint in ("prod/flight-delay", ENDPOINT):
        wait_for(f"{endpoint} to serve again", lambda endpoint=endpoint: serves(endpoint))  # type: ignore[misc]
    console.print("the changed copy is gone; the release was fetched, verified and served again")
    falaj("endpoint", "list")


def roll_back(stage: Stage) -> str:
    """Promote the newest release to test, and roll it back."""
    release = f"flight-delay@{stage.runs[-1].release}"
    for name in ("omar", "rania"):
        log_in(name)
    falaj("--account", "omar", "promote", release, "--to", "test", "--wait")
    falaj(
        "--account",
        "omar",
        "change",
        "rollback",
        "test/flight-delay",
        "--reason",
        "more late calls than before",
        "--wait",
    )
    refused(FALAJ, "--account", "omar", "promote", release, "--to", "pre-prod")
    falaj("change", "list")
    falaj("--account", "noor", "why", "test/flight-delay")
    return SHOWN
