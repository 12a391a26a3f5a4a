"""What a parameter's annotation asks for, found without importing the library that it names."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any


_CLASSES = {
    ("polars", "DataFrame"): "polars",
    ("polars", "LazyFrame"): "polars-lazy",
    ("pandas", "DataFrame"): "pandas",
    ("pyarrow", "Table"): "arrow",
    ("pathlib", "Path"): "path",
    ("mlflow", "PyFuncModel"): "pyfunc",
}
_SHORT = {"pl": "polars", "pd": "pandas", "pa": "pyarrow", "Path": "pathlib"}


def form(annotation: Any) -> str:
    """`polars`, `polars-lazy`, `pandas`, `arrow`, `path`, `pyfunc`, or `any` for everything else.

    Args:
        annotation: A class, or the text of one that could not be evaluated.
    """
    if isinstance(annotation, str):
        library, _, name = annotation.strip("'\" ").rpartition(".")
        library = (library or name).split(".")[0]
        return _CLASSES.get((_SHORT.get(library, library), name), "any")
    module = getattr(annotation, "__module__", "") or ""
    return _CLASSES.get((module.split(".")[0], getattr(annotation, "__name__", "")), "any")


def element(annotation: Any) -> Any:
    """What a collection holds: `X` of `list[X]`, `dict[str, X]`, `tuple[X, ...]`; itself when it is none."""
    if isinstance(annotation, str):
        inner = annotation.partition("[")[2].rpartition("]")[0]
        return inner.rpartition(", ")[2] if annotation.startswith("dict") else inner.partition(",")[0]
    arguments = [each for each in getattr(annotation, "__args__", ()) if each is not Ellipsis]
    return arguments[-1] if arguments else None


def is_mapping(annotation: Any) -> bool:
    """Whether a collection is asked for by name rather than in order."""
    if isinstance(annotation, str):
        return annotation.startswith(("dict", "Mapping", "collections.abc.Mapping"))
    origin = getattr(annotation, "__origin__", annotation)
    return getattr(origin, "__name__", "") in ("dict", "Mapping")


def resolved(function: Any) -> dict[str, Any]:
    """Annotations of a function by parameter name, `return` included; texts are evaluated where they can be."""
    raw = getattr(function, "__annotations__", {})
    names = getattr(function, "__globals__", {})
    return {name: _required(_evaluated(value, names)) for name, value in raw.items()}


def _evaluated(value: Any, names: dict[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return eval(value, dict(names))  # noqa: S307 - the project's own annotation, as typing.get_type_hints does
    except Exception:
        return value  # names imported under TYPE_CHECKING only: the text itself is read


def _required(value: Any) -> Any:
    """`X` of `X | None`."""
    if isinstance(value, str):
        return value.replace("| None", "").replace("None |", "").strip()
    arguments = getattr(value, "__args__", ())
    if type(None) in arguments:
        return next((each for each in arguments if each is not type(None)), value)
    return value
