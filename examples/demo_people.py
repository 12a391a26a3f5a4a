"""The demo's people: they appoint each other, approve and refuse, and one of them checks what the others did."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from demo_stage import CHECKOUT, FALAJ, SCRATCH, console, falaj, read_json, refused, show_command, wait_for

from falaj.home import Home

RELEASE = "flight-delay@1"
PEOPLE = {
    "sara": ("data-scientist", "release-manager"),  # the author of the commits; a small team has few hands
    "omar": ("ml-engineer",),
    "rania": ("release-manager",),
    "rashid": ("release-manager",),
    "noor": ("auditor",),
}
_PASSWORD = "only for this demo, never kept"  # noqa: S105


def appoint() -> None:
    """Make the first administrator by the one-time link, who invites the others."""
    link = (SCRATCH / "home" / "setup-link").read_text().strip()
    person = ("--name", "root", "--email", "root@example.org")
    show_command("falaj", "setup", "LINK", *person)
    falaj("setup", link, *person, "--password-stdin", quiet=True, given=f"{_PASSWORD}\n")
    for name, roles in PEOPLE.items():
        given = [word for role in roles for word in ("--role", role)]
        invited = read_json("--as", "root", "accounts", "add", name, "--email", f"{name}@example.org", *given)
        falaj("password", invited["link"], "--password-stdin", quiet=True, given=f"{_PASSWORD}\n")
        log_in(name)
    falaj("--as", "root", "accounts", "list")


def log_in(name: str) -> None:
    """A person logs in; approvals ask for that when the last time is longer ago than five minutes."""
    falaj("--as", name, "login", "--password-stdin", quiet=True, given=f"{_PASSWORD}\n")


def climb() -> None:
    """Bring release 1 from dev to prod."""
    for name in PEOPLE:
        log_in(name)
    refused(FALAJ, "--as", "omar", "promote", RELEASE, "--to", "prod")
    falaj("--as", "omar", "promote", RELEASE, "--to", "test", "--wait")
    change = asked_for("omar", "pre-prod")
    refused(FALAJ, "--as", "sara", "approve", change, "--yes")
    falaj("--as", "rania", "approve", change, "--yes", "--wait")
    change = asked_for("omar", "prod")
    falaj("--as", "rashid", "approve", change, "--yes")
    refused(FALAJ, "--as", "rashid", "approve", change, "--yes")
    falaj("--as", "rania", "approve", change, "--yes", "--wait")
    falaj("endpoints")
    falaj("--as", "noor", "why", "prod/flight-delay")


def asked_for(who: str, environment: str) -> Any:
    """Someone asks for release 1 in an environment; the id of the change."""
    show_command("falaj", "--as", who, "promote", RELEASE, "--to", environment)
    change = read_json("--as", who, "promote", RELEASE, "--to", environment, "--reason", "weekly release")
    console.print(f"change {change['id']} is {change['state']}")
    return change["id"]


def look_as_auditor() -> None:
    """Verify a release and the log with files alone, and see changed copies fail."""
    bundle, log, key = SCRATCH / "bundle", SCRATCH / "audit-log", SCRATCH / "log.pem"
    falaj("--as", "noor", "release", RELEASE, "--export", bundle)
    falaj("verify", bundle, "--environment", "prod", "--location", "local")
    console.print("[dim]one byte of the model is changed; agents ask the same verifier before they load anything[/]")
    model = next((bundle / "model").rglob("*.onnx"))
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    refused(FALAJ, "verify", bundle, "--environment", "prod", "--location", "local")
    tamper_with_the_agents_copy()
    falaj("--as", "noor", "audit", "show", "--kind", "change.", "--limit", 12)
    falaj("--as", "noor", "audit", "export", log, "--key", key)
    verifier = CHECKOUT / "auditors" / "verify_log.py"
    show_command("python", verifier, log, key)
    subprocess.run([sys.executable, verifier, log, key], check=True)
    console.print("[dim]one word of one entry is changed[/]")
    leaves = log / "leaves.jsonl"
    leaves.write_text(leaves.read_text().replace("access.denied", "access.granted", 1))
    refused("python", verifier, log, key)


def tamper_with_the_agents_copy() -> None:
    """Change the copy that the agent serves from while nothing runs; the agent throws it away and fetches another."""
    home = Home.from_environment()
    model = next((home.location_dir("local") / "models").rglob("*.onnx"))
    honest = model.read_bytes()
    console.print("[dim]the same byte in the copy that the agent serves from, while the platform is down[/]")
    falaj("down")
    model.chmod(0o644)
    model.write_bytes(honest[:-1] + b"!")
    falaj("up")
    wait_for("the agent to fetch the release again", lambda: model.exists() and model.read_bytes() == honest)
    wait_for("prod to serve again", lambda: state_of("prod/flight-delay") == "ready")
    console.print("the changed copy is gone; the release was fetched, verified and served again")
    falaj("endpoints")


def state_of(endpoint: str) -> str:
    """What the agent reports of an endpoint."""
    return next((each["state"] for each in read_json("endpoints") if each["endpoint"] == endpoint), "")


def take_back() -> None:
    """Promote release 2 to test, and roll it back."""
    for name in ("omar", "rania"):
        log_in(name)
    falaj("--as", "omar", "promote", "flight-delay@2", "--to", "test", "--wait")
    falaj("--as", "omar", "rollback", "test/flight-delay", "--reason", "more late calls than before", "--wait")
    refused(FALAJ, "--as", "omar", "promote", "flight-delay@2", "--to", "pre-prod")
    falaj("changes")
    falaj("--as", "noor", "why", "test/flight-delay")
