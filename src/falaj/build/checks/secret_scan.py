"""The secret scan: every text file that git tracks, looked at for tokens, keys and random passwords."""

from __future__ import annotations

from pathlib import Path

from falaj.build.checks.context import CheckContext
from falaj.build.checks.processes import run_tool
from falaj.build.checks.results import CheckResult, CheckValue, Finding
from falaj.build.checks.secret_patterns import ALLOW, TOKENS, find_secrets

LARGEST_FILE_BYTES = 5_000_000
PROBE_BYTES = 8192
LOCKFILES = ("uv.lock", "poetry.lock", "package-lock.json", "pnpm-lock.yaml", "yarn.lock")
_IGNORED_FOLDERS = {".git", ".venv", "__pycache__", "node_modules"}


def check(context: CheckContext) -> CheckResult:
    """Scan the tracked files; binary files, lockfiles and files over 5 MB are counted as skipped.

    Option `ignore`: glob patterns of paths that are not scanned, such as test fixtures.
    """
    ignored = tuple(context.options("secrets").get("ignore", ()))
    findings: list[Finding] = []
    scanned = skipped = 0
    for path in tracked_files(context):
        text = None if _left_out(path, ignored) else read_text(context.worktree / path)
        if text is None:
            skipped += 1
            continue
        scanned += 1
        findings += find_secrets(str(path), text)
    values = (
        CheckValue("secrets", len(findings), 0, "<=", not findings),
        CheckValue("files", scanned, 1, ">=", scanned > 0),
        CheckValue("skipped", skipped),
    )
    advice = f"; `{ALLOW}` on the line allows one" if findings else ""
    summary = f"{scanned} files scanned, {skipped} skipped, {len(findings)} secrets found{advice}"
    tools = {"token shapes": str(len(TOKENS))}
    return CheckResult("secrets", not findings, summary, scanned, values, tools, tuple(findings))


def tracked_files(context: CheckContext) -> list[Path]:
    """Paths below the worktree that git tracks; every file where the worktree is no checkout of its own."""
    if (context.worktree / ".git").exists():
        tool_run = run_tool(context, "git", "git", "ls-files", "-z", timeout_s=60)
        if tool_run.code == 0:
            return [Path(name) for name in tool_run.output.split("\0") if name]
    file_paths = (path.relative_to(context.worktree) for path in context.worktree.rglob("*") if path.is_file())
    return sorted(path for path in file_paths if not _IGNORED_FOLDERS.intersection(path.parts))


def _left_out(path: Path, ignored: tuple[str, ...]) -> bool:
    return path.name in LOCKFILES or any(path.match(pattern) for pattern in ignored)


def read_text(path: Path) -> str | None:
    """The file's text; None when it is binary, too large, a link or gone."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_FILE_BYTES:
        return None
    data = path.read_bytes()
    return None if b"\0" in data[:PROBE_BYTES] else data.decode(errors="replace")
