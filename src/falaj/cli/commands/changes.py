"""Changes: promote, changes, change, approve, reject, cancel-change, review, rollback."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from falaj.cli.approval_digest import require_expected
from falaj.cli.commands.federation import BrowserOption, prove_by_key
from falaj.cli.connection import open_client
from falaj.cli.options import EveryOption, JsonOption, LimitOption
from falaj.cli.output import ago, clock, emit, emit_json, emit_table, styled
from falaj.cli.paging import first_rows
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.sdk.credentials import Credentials

if TYPE_CHECKING:
    from falaj.schemas.changes import Change, ToSign

ChangeArgument = Annotated[str, typer.Argument(help="Id of the change.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the audit log.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until the change has ended, or waits for people.")]
ENDED = ("done", "failed", "rejected", "expired", "invalidated", "cancelled", "review_due", "reviewed", "rolled_back")
_COLOURS = {
    "done": "green",
    "reviewed": "green",
    "failed": "red",
    "invalidated": "red",
    "rejected": "red",
    "expired": "red",
}
_POLL_S = 0.3


def request(
    release: Annotated[str, typer.Argument(help="MODEL@NUMBER, or MODEL for the latest.")],
    to: Annotated[str, typer.Option("--to", help="The environment.")],
    kind: Annotated[str, typer.Option(help="standard, normal or emergency.")] = "normal",
    reason: ReasonOption = "",
    challenge: Annotated[
        bool, typer.Option("--challenge", help="Only copy requests to it, beside what serves there, and compare.")
    ] = False,
    at: Annotated[str, typer.Option(help="Not before this time, as 2026-12-05T09:00+04:00.")] = "",
    wait: WaitOption = False,
    json: JsonOption = False,
) -> None:
    """Request a release in an environment."""
    client = open_client()
    change = client.changes.request(release, to, kind, reason, moment(at) if at else None, challenge=challenge)
    _print_change(_awaited(client.changes.show, change) if wait else change, json)


def list_changes(
    unfinished: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    environment: Annotated[str, typer.Option(help="Of this environment only.")] = "",
    limit: LimitOption = 50,
    everything: EveryOption = False,
    json: JsonOption = False,
) -> None:
    """List the newest changes."""
    changes = open_client().changes
    change_list = first_rows(
        lambda most: changes.list(open_only=unfinished, environment=environment, limit=most),
        None if everything else limit,
    )
    if json:
        emit_json(change_list)
        return
    rows = [
        (each.id, f"{each.model}@{each.release}", each.environment, each.kind, each.state, _approvals(each),
         each.requester.partition(":")[2], ago(each.created_at))
        for each in change_list
    ]  # fmt: skip
    header = ("change", "release", "to", "kind", "state", "approvals", "requested by", "requested")
    emit_table(header, rows, empty="no changes yet: falaj promote RELEASE --to ENVIRONMENT requests one")


def show(change: ChangeArgument, wait: WaitOption = False, json: JsonOption = False) -> None:
    """Show a change: what is requested, who approved it, and its state."""
    calls = open_client().changes
    change_details = calls.show(change)
    _print_change(_awaited(calls.show, change_details) if wait else change_details, json)


def approve(
    change: ChangeArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking once more.")] = False,
    expect: Annotated[str, typer.Option(metavar="SHA256", help="Refuse another approval than you saw.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from there.")] = False,
    otp: Annotated[str, typer.Option(help="One-time password, where one is enrolled.")] = "",
    security_key: Annotated[bool, typer.Option("--security-key", help="Touch your security key for it.")] = False,
    browser: BrowserOption = True,
    wait: WaitOption = False,
    json: JsonOption = False,
) -> None:
    """Review a change and sign its approval with your own key."""
    client = open_client()
    key = Credentials.of(Home.from_environment()).approval_key()
    signing_request = client.changes.to_sign(change)
    if expect:
        require_expected(signing_request.approval, expect)
    if not json:
        _show_what_is_signed(signing_request)
    if not yes and not typer.confirm("Sign this?"):
        raise typer.Exit(1)
    if password_stdin or otp:
        client.identity.step_up(sys.stdin.readline().rstrip("\n") if password_stdin else "", otp)
    prove = (lambda digest: prove_by_key(client, digest, open_browser=browser)) if security_key else None
    approved = client.changes.approve(change, signing_request, key, prove)
    _print_change(_awaited(client.changes.show, approved) if wait else approved, json)


def reject(change: ChangeArgument, reason: ReasonOption, json: JsonOption = False) -> None:
    """Reject a change."""
    _print_change(open_client().changes.reject(change, reason), json)


def cancel(change: ChangeArgument, reason: ReasonOption = "", json: JsonOption = False) -> None:
    """Cancel a change that has not been implemented."""
    _print_change(open_client().changes.cancel(change, reason), json)


def review(
    change: ChangeArgument,
    findings: Annotated[str, typer.Option("--findings", "-m", help="What the review found.")],
    json: JsonOption = False,
) -> None:
    """Review an emergency change after its implementation, so that it may stay."""
    _print_change(open_client().changes.review(change, findings), json)


def rollback(
    endpoint: Annotated[str, typer.Argument(help="ENVIRONMENT/MODEL.")],
    reason: ReasonOption,
    wait: WaitOption = False,
    json: JsonOption = False,
) -> None:
    """Roll an endpoint back to the release that it served before."""
    environment, model = endpoint_of(endpoint)
    calls = open_client().changes
    change = calls.roll_back(environment, model, reason)
    _print_change(_awaited(calls.show, change) if wait else change, json)


def endpoint_of(text: str) -> tuple[str, str]:
    """Environment and model of `ENVIRONMENT/MODEL`."""
    environment, slash, model = text.partition("/")
    if not slash or not environment or not model:
        raise UsageError(f"'{text}' is not ENVIRONMENT/MODEL", hint="for example prod/flight-delay")
    return environment, model


def moment(text: str) -> float:
    """A time that somebody typed, in unix seconds; without a zone it is local time."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"invalid time '{text}'", hint="for example 2026-12-05T09:00+04:00") from error
    return instant.timestamp()


def _awaited(look: object, change: Change) -> Change:
    """Look at a change until it has ended, or until people or the clock must act."""
    while change.state not in (*ENDED, "awaiting_approval", "scheduled") or (
        change.state == "scheduled" and change.note
    ):
        time.sleep(_POLL_S)
        change = look(change.id)  # type: ignore[operator]
    return change


def _print_change(change: Change, json: bool) -> None:
    if json:
        emit_json(change)
        return
    emit(f"change {change.id}: {change.model}@{change.release} to {change.environment}, {change.kind}")
    emit(f"  state      {styled(change.state, _COLOURS.get(change.state, 'yellow'))}{_because(change)}")
    emit(f"  risk       {change.risk or '-'}")
    emit(f"  requested  by {change.requester}{f': {change.reason}' if change.reason else ''}")
    emit(f"  approvals  {_approvals(change)}")
    for approval in change.approvals:
        emit(f"             {approval.approver} at {clock(approval.approved_at)} with key {approval.key_id[:16]}")
    if change.state == "awaiting_approval":
        emit(f"  next       falaj approve {change.id}, before {clock(change.expires_at)}")


def _because(change: Change) -> str:
    if change.note:
        return f": {change.note}"
    return f" until {clock(change.wakes_at)}" if change.state in ("scheduled", "review_due") and change.wakes_at else ""


def _looser(gate: dict[str, Any]) -> str:
    """What makes a gate ask for less than that of the release which serves now."""
    if gate.get("dropped"):
        return styled("  (dropped)", "yellow")
    return styled(f"  (looser, was: {gate['looser']})", "yellow") if gate.get("looser") else ""


def _approvals(change: Change) -> str:
    return f"{len(change.approvals)} of {change.quorum}"


def _show_what_is_signed(signing_request: ToSign) -> None:
    approval_facts = signing_request.approval
    emit(
        f"You sign that {approval_facts['release']} may serve in {approval_facts['environment']} (rank "
        f"{approval_facts['rank']}):"
    )
    emit(f"  digest     {approval_facts['digest']}")
    emit(f"  commit     {approval_facts['commit']}")
    for snapshot in approval_facts["snapshots"]:
        emit(f"  data       {snapshot['name']} {snapshot['digest'][:19]}")
    for gate in signing_request.gates:
        emit(f"  gate       {gate['text']}: {gate['reason']}{_looser(gate)}")
    emit(f"  requested  by {approval_facts['requester']}, as a {approval_facts['kind']} change")
    emit(f"  until      {clock(approval_facts['expires_at'])}")
