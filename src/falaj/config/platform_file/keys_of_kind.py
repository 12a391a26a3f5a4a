"""Settings whose kind decides which keys they have."""

from __future__ import annotations

from collections.abc import Mapping

from falaj.config.fields import Strict, problem

KeysOfKind = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""By kind: the names of fields that it needs, and of those that it may have."""


def require_keys_of_kind(settings: Strict, what: str, kind: str, keys: KeysOfKind) -> None:
    """Refuse settings that lack a key of their kind, or have one of another kind.

    Args:
        settings: With a field, None where it is not set, for each name in `keys`.
        what: What they are, such as `a connection`.
        kind: One of `keys`.
        keys: Of all kinds.

    Raises:
        PydanticCustomError: A key is missing, or is not of the kind.
    """
    needed, optional = keys[kind]
    own = (*needed, *optional)
    missing = [name for name in needed if getattr(settings, name) is None]
    if missing:
        key = _key(settings, missing[0])
        raise problem(f"{what} of kind {kind} has no `{key}`", f"`{key}`")
    others = {name for names in keys.values() for part in names for name in part} - {*own}
    foreign = sorted(name for name in others if getattr(settings, name) is not None)
    if foreign:
        expected = f"one of {', '.join(_key(settings, name) for name in own)}"
        raise problem(f"`{_key(settings, foreign[0])}` is not of kind {kind}", expected)


def _key(settings: Strict, name: str) -> str:
    """How a field is called in the file."""
    return type(settings).model_fields[name].alias or name
