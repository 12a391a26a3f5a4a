"""The platform's settings, and it as a whole: plan, apply, platform show, versions, drift, backup, restore."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import EveryOption, JsonOption, LimitOption
from falaj.cli.output import clock, emit, emit_json, emit_table, shortened, styled
from falaj.cli.paging import first_rows
from falaj.config.platform_file import load_platform
from falaj.core.home import Home

if TYPE_CHECKING:
    from falaj.schemas.platform import SettingDifference, SettingsInForce

FileOption = Annotated[Path, typer.Option("--file", "-f", help="The platform file, or the folder that holds it.")]
_DRIFT_EXIT = 4
_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def plan(file: FileOption = Path("platform.yaml"), json: JsonOption = False) -> None:
    """Show what applying a platform file would change."""
    loaded = load_platform(file)
    planned = open_client().settings.plan(loaded.name, loaded.text, loaded.policies)
    if json:
        emit_json(planned)
        return
    _emit_differences(planned.differences)
    count = len(planned.differences)
    emit(
        f"{_counted(count)} to version {planned.version}" if count else f"no changes: version {planned.version} says it"
    )


def apply(file: FileOption = Path("platform.yaml"), json: JsonOption = False) -> None:
    """Apply a platform file; requires the role admin."""
    loaded = load_platform(file)
    calls = open_client().settings
    planned = calls.plan(loaded.name, loaded.text, loaded.policies)
    applied = calls.apply(loaded.name, loaded.text, loaded.policies, base=planned.version)
    if json:
        emit_json(applied)
        return
    _emit_differences(applied.differences)
    count = len(applied.differences)
    emit(
        f"applied: version {applied.version}, {_counted(count)}" if count else f"no changes: version {applied.version}"
    )


def show(
    json: JsonOption = False,
    text: Annotated[bool, typer.Option("--text", help="Print the file that was applied.")] = False,
) -> None:
    """Show the environments, locations and roles that hold."""
    active_settings = open_client().settings.show()
    if json:
        emit_json(active_settings)
    elif text:
        emit(active_settings.text.rstrip("\n") or "# no platform file was applied; the defaults hold")
    else:
        _emit_held(active_settings)


def versions(limit: LimitOption = 50, everything: EveryOption = False, json: JsonOption = False) -> None:
    """List the applied versions, the newest first."""
    version_list = first_rows(open_client().settings.versions, None if everything else limit)
    if json:
        emit_json(version_list)
        return
    rows = [(v.version, clock(v.applied_at), v.actor, len(v.differences), v.digest[:19]) for v in version_list]
    headings = ("version", "applied", "by", "changes", "digest")
    emit_table(headings, rows, empty="nothing was applied; falaj platform apply -f platform.yaml")


def drift(json: JsonOption = False) -> None:
    """Look for what is not as it was applied; exit 4 when something is."""
    drift_report = open_client().settings.drift()
    if json:
        emit_json(drift_report)
    else:
        rows = [(each.kind, each.subject, each.message) for each in drift_report.findings]
        emit_table(("kind", "what", "how"), rows, empty="no drift")
    if drift_report.findings:
        raise typer.Exit(_DRIFT_EXIT)


def _emit_differences(differences: Sequence[SettingDifference]) -> None:
    for each in differences:
        sign, colour = _SIGNS[each.kind]
        mark = styled("  (looser)", "yellow") if each.loosens else ""
        emit(f"{styled(sign, colour)} {each.path}{_values(each)}{mark}")


def _values(difference: SettingDifference) -> str:
    shown = _freezes if ".freeze." in difference.path else _shown
    before, after = shown(difference.before), shown(difference.after)
    match difference.kind:
        case "changed":
            return f": {before} -> {after}"
        case "removed":
            return f": {before}" if before else ""
    return f": {after}" if after else ""


def _freezes(value: Any) -> str:
    """The times of freezes of one name."""
    return ", ".join(f"{clock(start)} to {clock(end)}" for start, end in value or [])


def _shown(value: Any) -> str:
    """A value in a line; what is only there or not has none, and what has settings of its own its first ones."""
    if isinstance(value, dict):
        return shortened(", ".join(f"{key} {_shown(item)}" for key, item in value.items()), 80)
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return "" if value is True or value is None else shortened(str(value), 60)


def _counted(count: int) -> str:
    return f"{count} change{'' if count == 1 else 's'}"


def _emit_held(active_settings: SettingsInForce) -> None:
    spec = active_settings.spec
    by = (
        f" of {clock(active_settings.applied_at)} by {active_settings.actor}"
        if active_settings.version
        else ", the defaults"
    )
    emit(f"version {active_settings.version}{by}")
    environments = sorted(spec["environments"].values(), key=lambda each: each["rank"])
    environment_rows = [
        (e["rank"], e["name"], ", ".join(e["locations"]), e["approvals"]["normal"], e["approvals"]["emergency"],
         len(e["windows"]) or "-", len(e["freeze"]) or "-")
        for e in environments
    ]  # fmt: skip
    emit()
    headings = ("rank", "environment", "locations", "approvals", "emergency", "windows", "freezes")
    emit_table(headings, environment_rows, empty="no environments")
    emit()
    places = [
        (each["name"], each["kind"], each["jurisdiction"], each["runtime"]) for each in spec["locations"].values()
    ]
    emit_table(("location", "kind", "jurisdiction", "runtime"), places, empty="no locations")
    emit()
    bindings = [_binding(each) for each in spec["roles"]]
    emit_table(
        ("role", "who", "where"), bindings, empty="no roles; falaj access account roles gives them to single accounts"
    )
    packs = ", ".join(spec["policy_packs"])
    if packs:
        emit()
        emit(f"policy packs: {packs}")


def _binding(value: dict[str, Any]) -> tuple[str, str, str]:
    who = f"group {value['group']}" if value["group"] else f"user {value['user']}"
    scopes = [f"{kind} {value[kind]}" for kind in ("project", "environment") if value[kind]]
    return value["role"], who, ", ".join(scopes) or "everywhere"


PassphraseOption = Annotated[
    Path | None, typer.Option("--passphrase-file", help="A file with the passphrase; asked for without one.")
]


def backup(
    file: Annotated[Path, typer.Argument(help="The backup to write; nothing may be there.")],
    with_artifacts: Annotated[
        bool, typer.Option("--with-artifacts", help="Also the content of the artifact store, and not its refs alone.")
    ] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Back up this installation into one file; it may be running. Keys and tokens in it are under a passphrase."""
    from falaj.cli.backup import back_up

    passphrase = _passphrase(passphrase_file, confirm=True)
    backup_result = back_up(Home.from_environment(), file, passphrase, time.time(), with_artifacts=with_artifacts)
    emit(f"{backup_result.file}: {backup_result.files} files, {backup_result.size / 1e6:.1f} MB")
    if backup_result.objects_left_out:
        emit(
            f"not in it: {backup_result.objects_left_out} objects of the artifact store; copy store/blobs and "
            "store/manifests"
        )


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    passphrase_file: PassphraseOption = None,
) -> None:
    """Restore an installation from a backup, where none is; everything is verified before anything is put in place."""
    from falaj.cli import backup as backups

    home = Home.from_environment()
    restore_result = backups.restore(home, file, _passphrase(passphrase_file, confirm=False))
    emit(f"{home.root}: {restore_result.files} files as of {clock(restore_result.made_at)}; falaj up starts it")
    if restore_result.objects_missing:
        emit(
            f"not in the backup: {restore_result.objects_missing} objects; put store/blobs and store/manifests in place"
        )


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is None:
        return str(typer.prompt("Passphrase of the backup", hide_input=True, confirmation_prompt=confirm))
    return file.read_text().rstrip("\n")
