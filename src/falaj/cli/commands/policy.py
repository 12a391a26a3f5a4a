"""Permission: policy show, explain, ask, test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json, emit_table
from falaj.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from falaj.trust.policy.self_test import Failure

RuleArgument = Annotated[str, typer.Argument(help="Id of a policy, as a refusal names it.")]
ActionArgument = Annotated[str, typer.Argument(help="An action, such as run or approve-change.")]
_FAILED_EXIT = 1


def show(json: JsonOption = False) -> None:
    """List the policies in force."""
    rules = open_client().policy.rules()
    if json:
        emit_json(rules)
        return
    emit_table(
        ("policy", "effect", "from", "says"), [(r.id, r.effect, r.source, r.explanation) for r in rules], empty=""
    )


def explain(rule: RuleArgument, json: JsonOption = False) -> None:
    """Show one policy: what it says, and its Cedar text."""
    policy_rule = next((each for each in open_client().policy.rules() if each.id == rule), None)
    if policy_rule is None:
        raise NotFoundError(
            f"no policy '{rule}' is in force", hint="falaj access policy show lists them", code="policy.unknown"
        )
    if json:
        emit_json(policy_rule)
        return
    emit(f"{policy_rule.id} ({policy_rule.effect}, {policy_rule.source}): {policy_rule.explanation}\n")
    emit(policy_rule.text)


def ask(
    action: ActionArgument,
    project: Annotated[str | None, typer.Option(help="In this project.")] = None,
    environment: Annotated[str | None, typer.Option(help="In this environment.")] = None,
    json: JsonOption = False,
) -> None:
    """Ask whether you may perform an action, and why; exit 7 when not."""
    answer = open_client().policy.ask(action, project, environment)
    if json:
        emit_json(answer)
    else:
        verdict = "yes" if answer.allowed else "no"
        emit(f"{verdict}: {answer.reason}")
        emit(f"asked as {answer.principal}; roles there: {', '.join(answer.roles) or 'none'}")
    if not answer.allowed:
        raise typer.Exit(7)


def try_policies(
    paths: Annotated[list[Path], typer.Argument(help="Cedar files, or folders of them.")],
    cases: Annotated[list[Path] | None, typer.Option(help="Cases (YAML); by default *.cases.yaml beside them.")] = None,
    json: JsonOption = False,
) -> None:
    """Test policies of the organisation before they are applied; exit 1 when a case fails."""
    from falaj.trust.policy import with_organisation
    from falaj.trust.policy.self_test import failures, read_cases

    texts = {path.stem: path.read_text(encoding="utf-8") for path in _files(paths, "*.cedar")}
    if not texts:
        raise UsageError("no Cedar files here", where=", ".join(map(str, paths)), hint="they end in .cedar")
    sources = (
        cases
        if cases is not None
        else _files([path if path.is_dir() else path.parent for path in paths], "*.cases.yaml")
    )
    policy_cases = [case for path in sources for case in read_cases(path.read_text(encoding="utf-8"), str(path))]
    policies = with_organisation(texts)
    failed = failures(policies, policy_cases)
    added = len([rule for rule in policies.rules.values() if rule.source in texts])
    _report(failed, added, len(policy_cases), json=json)


def _files(paths: Sequence[Path], pattern: str) -> list[Path]:
    file_paths = [path for each in paths for path in (sorted(each.glob(pattern)) if each.is_dir() else [each])]
    if missing := [path for path in file_paths if not path.is_file()]:
        raise UsageError(f"there is no file {missing[0]}", where=str(missing[0]))
    return list(dict.fromkeys(file_paths))


def _report(failed: Sequence[Failure], added: int, case_count: int, *, json: bool) -> None:
    if json:
        emit_json({"policies": added, "cases": case_count, "failures": [str(each) for each in failed]})
    else:
        for each in failed:
            emit(f"FAILED  {each}")
        emit(f"{added} policies added; {case_count - len(failed)} of {case_count} cases pass")
    if failed:
        raise typer.Exit(_FAILED_EXIT)
