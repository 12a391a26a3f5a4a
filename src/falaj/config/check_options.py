"""The options of each check, by the names under which the checks read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from falaj.config.fields import NonEmpty, Or, ProjectPath, Reference, Strict, problem


class _Timed(Strict):
    timeout_s: float | None = Field(default=None, gt=0, description="The check is stopped after so many seconds.")


class StaticOptions(_Timed):
    """Static analysis with ruff, and with mypy where the project configures it."""

    fail_on: Literal["any", "error"] | None = Field(
        default=None,
        description="`error` lets findings of style pass, such as unused imports and long lines, and names them; by "
        "default `any` finding fails.",
    )


class TestsOptions(_Timed):
    """The project's own tests with pytest."""

    paths: list[ProjectPath] | None = Field(default=None, description="Files and folders of tests.")


class SecretsOptions(Strict):
    """The scan for secrets in the project's files."""

    ignore: list[NonEmpty] | None = Field(default=None, description="Paths that are not scanned, as patterns.")


class DependenciesOptions(Strict):
    """The audit of the lockfile."""

    advisories: NonEmpty | None = Field(
        default=None, description="Folder of advisories in the OSV format; relative to the project, or absolute."
    )
    ignore: list[NonEmpty] | None = Field(default=None, description="Advisories that are accepted, by identifier.")


class ModelFilesOptions(Strict):
    """The scan of the model's files for code that would run when they are loaded."""

    allow: list[NonEmpty] | None = Field(default=None, description="Modules whose classes a file may name.")


class DataOptions(Strict):
    """The data validation; what is expected stands in `expect`."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class ModelOptions(_Timed):
    """How the model behaves on rows that are changed on purpose."""

    data: Reference = Field(description="The rows to try it on: a source, a step or `step.output`.")
    rows: int | None = Field(default=None, ge=1, description="How many of them.")
    invariance: list[NonEmpty] | None = Field(default=None, description="Columns that must not matter.")
    tolerance: float | None = Field(default=None, ge=0, description="How much a prediction may differ all the same.")
    direction: dict[NonEmpty, Literal["up", "down"]] | None = Field(
        default=None, description="Column to the way in which a larger value must move the prediction."
    )
    missing: Annotated[list[NonEmpty] | None, BeforeValidator(_listed), Or({"type": "string"})] = Field(
        default=None, description="Columns whose values may be missing; `all` for every one."
    )
    latency_ms: float | None = Field(default=None, gt=0, description="99th percentile that one prediction may take.")


class Checks(Strict):
    """The checks that run; only those that are named do."""

    static: StaticOptions | None = Field(default=None, description="Static analysis: ruff, and mypy if configured.")
    tests: TestsOptions | None = Field(default=None, description="The project's own tests.")
    secrets: SecretsOptions | None = Field(default=None, description="Secrets in files.")
    dependencies: DependenciesOptions | None = Field(default=None, description="Known faults of the libraries.")
    model_files: ModelFilesOptions | None = Field(
        default=None, alias="model-files", description="Code hidden in the model's files."
    )
    data: DataOptions | None = Field(default=None, description="The tables, against `expect`.")
    model: ModelOptions | None = Field(default=None, description="The model's behaviour.")

    def to_spec(self) -> dict[str, dict[str, Any]]:
        """Options that were given, by check."""
        options: dict[str, dict[str, Any]] = self.model_dump(by_alias=True, exclude_none=True)
        return options


CHECK_NAMES = tuple(field.alias or name for name, field in Checks.model_fields.items())


def as_mapping(value: Any) -> Any:
    """`[static, tests]` as `{static: {}, tests: {}}`; a check without options has an empty mapping."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        twice = next((name for name in value if value.count(name) > 1), None)
        if twice is not None:
            raise problem(f"{twice!r} is named twice", "each check once")
        return {name: {} for name in value}
    if isinstance(value, dict):
        return {name: {} if options is None else options for name, options in value.items()}
    return value


CHECK_LIST = {"type": "array", "uniqueItems": True, "items": {"enum": [*CHECK_NAMES]}}
"""JSON Schema of the short form."""
