"""The audit log: show, checkpoint, export, verify."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from falaj.cli.commands.changes import moment
from falaj.cli.connection import open_client
from falaj.cli.options import EveryOption, JsonOption, LimitOption
from falaj.cli.output import clock, emit, emit_json, emit_table, shortened, styled
from falaj.cli.paging import first_rows
from falaj.core.errors import UsageError


def list_entries(
    kind: Annotated[str, typer.Option(help="What begins so, such as change. or account.locked.")] = "",
    subject: Annotated[str, typer.Option(help="About this, such as change/0gq3bd857fxj.")] = "",
    actor: Annotated[str, typer.Option(help="By this one, such as user:ana.")] = "",
    since: Annotated[str, typer.Option(help="Not before this time, as 2026-12-05T09:00+04:00.")] = "",
    limit: LimitOption = 30,
    everything: EveryOption = False,
    json: JsonOption = False,
) -> None:
    """List the newest entries."""
    entries = partial(open_client().audit.entries, kind, subject, actor, moment(since) if since else 0.0)
    log_entries = first_rows(entries, None if everything else limit)
    if json:
        emit_json(log_entries)
        return
    rows = [
        (str(each.index), clock(each.at), each.kind, each.actor, each.subject, _outcome(each.outcome),
         "erased" if each.details is None else shortened(_details(each.details)))
        for each in log_entries
    ]  # fmt: skip
    emit_table(("entry", "at", "what", "who", "about", "outcome", "details"), rows, empty="no entries")


def checkpoint(json: JsonOption = False) -> None:
    """Sign and print the length and the root of the log; keep it to verify later that the log only grew."""
    signed_checkpoint = open_client().audit.checkpoint()
    if json:
        emit_json(signed_checkpoint)
    else:
        emit(signed_checkpoint.text.rstrip("\n"))


def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    key: Annotated[Path | None, typer.Option(help="Write the log's public key here as well.")] = None,
) -> None:
    """Write the whole log to a folder, for someone who checks it without this installation."""
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="name a folder that is not there")
    calls = open_client().audit
    count = calls.export(folder)
    if key is not None:
        key.write_text(calls.checkpoint().public_key)
    emit(f"wrote {count} entries to {folder}: python auditors/verify_log.py {folder} KEY checks them anywhere")


def verify(
    folder: Annotated[Path | None, typer.Argument(help="An export; by default the log of this installation.")] = None,
    key: Annotated[Path | None, typer.Option(help="The log's public key, PEM; by default the installation's.")] = None,
) -> None:
    """Verify that the log is what was signed."""
    from falaj.cli.verified_log import verify_export

    pem = key.read_text() if key else open_client().audit.checkpoint().public_key
    with TemporaryDirectory() as scratch:
        target = folder or Path(scratch) / "log"
        if folder is None:
            open_client().audit.export(target)
        count = verify_export(target, pem)
    emit(f"{styled('verified', 'green')}: {count} entries are what was signed")


def redact(
    entries: Annotated[list[int] | None, typer.Argument(help="Numbers of entries whose details are erased.")] = None,
    person: Annotated[
        str, typer.Option(help="Forget who this is, such as user:ana, with all details by or about them.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; this is logged.")] = "",
) -> None:
    """Erase the details of entries or of a person; the log can still be verified."""
    if not reason or not (entries or person):
        raise UsageError("nothing was erased: entries or --person, and --reason are required")
    erased = open_client().audit.erase(reason, entries or (), person)
    emit(f"erased the details of {erased.entries} entries{', and forgot the person' if erased.forgotten else ''}")


def _outcome(outcome: str) -> str:
    return styled(outcome, "red") if outcome == "denied" else outcome


def _details(details: dict[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in details.items())
