"""Policies that are loaded: parsed once, checked against the schema, each with an id and a sentence for people."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import cedarpy

from falaj.trust.policy.errors import PolicyError

BUILT_IN = ("permits", "forbids")
PACKS = ("uae",)
"""Sources that hold where platform.yaml turns them on under `policy_packs`."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;')
_LEADING_COMMENTS = re.compile(r"\A(?:\s+|//[^\n]*\n)+")


@dataclass(frozen=True)
class PolicyRule:
    """One policy.

    Args:
        id: Its `@id`.
        effect: `permit` or `forbid`.
        explanation: Its `@explain`: what a refused person reads.
        source: The file that holds it, without suffix.
        text: Its Cedar text, as it was written.
    """

    id: str
    effect: str
    explanation: str
    source: str
    text: str


@dataclass(frozen=True)
class PolicySet:
    """Policies ready to decide; `built_in` and `with_organisation` make them.

    Args:
        rules: By `@id`, in the order in which they stand.
        texts: The Cedar text of each source.
        engine: The parsed policies.
        schema: The parsed schema.
    """

    rules: Mapping[str, PolicyRule]
    texts: Mapping[str, str]
    engine: cedarpy.PolicySet = field(repr=False, compare=False)
    schema: cedarpy.Schema = field(repr=False, compare=False)


@cache
def built_in() -> PolicySet:
    """The policies that Falaj ships."""
    return load({name: rule_text(f"{name}.cedar") for name in BUILT_IN})


def pack_texts(names: Collection[str]) -> dict[str, str]:
    """The Cedar texts of packs by their names."""
    return {name: rule_text(f"{name}.cedar") for name in PACKS if name in names}


def load(texts: Mapping[str, str]) -> PolicySet:
    """Parse, check and index policies.

    Args:
        texts: Cedar text by name of its source.

    Raises:
        PolicyError: Says the source, the policy and what is wrong with it.
    """
    rules: dict[str, PolicyRule] = {}
    for source, text in texts.items():
        for rule in _rules(source, text):
            if rule.id in rules:
                raise PolicyError(f"two policies have the id '{rule.id}'", where=source, hint="ids are unique")
            rules[rule.id] = rule
    schema = cedarpy.Schema.from_str(rule_text("schema.cedarschema"))
    for source, text in texts.items():
        _validate(source, text, schema)
    return PolicySet(rules, dict(texts), cedarpy.PolicySet.from_str("\n".join(texts.values())), schema)


def rule_text(name: str) -> str:
    """The text of a shipped file of this room."""
    return files("falaj.trust.policy").joinpath("rules", name).read_text(encoding="utf-8")


def _rules(source: str, text: str) -> list[PolicyRule]:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise PolicyError(f"the policies do not parse: {error}", where=source) from error
    if parsed["templates"]:
        raise PolicyError("templates decide nothing until they are linked", where=source, hint="write static policies")
    texts = list(_split(text))  # the engine names policies by their place: policy0, policy1, ...
    ordered_policies = sorted(
        (int(key.removeprefix("policy")), policy) for key, policy in parsed["staticPolicies"].items()
    )
    return [
        _rule(source, texts[place], policy["effect"], policy.get("annotations", {}))
        for place, policy in ordered_policies
    ]


def _split(text: str) -> Iterator[str]:
    """Each policy of a text as it was written, without the comments before it."""
    start = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            yield _LEADING_COMMENTS.sub("", text[start : token.end()])
            start = token.end()


def _rule(source: str, text: str, effect: str, annotations: Mapping[str, str]) -> PolicyRule:
    first_line = text.partition("\n")[0]
    if not annotations.get("id"):
        hint = 'begin each policy with @id("...") @explain("...")'
        raise PolicyError(f"a policy has no @id: {first_line}", where=source, hint=hint)
    if not annotations.get("explain"):
        message = f"'{annotations['id']}' has no @explain"
        raise PolicyError(message, where=source, hint="say in it what a refused person reads")
    return PolicyRule(annotations["id"], effect, annotations["explain"], source, text)


def _validate(source: str, text: str, schema: cedarpy.Schema) -> None:
    result = cedarpy.validate_policies(text, schema)
    if not result.validation_passed:
        names = result.id_annotations_by_policy_id
        first = result.errors[0]
        raise PolicyError(f"'{names.get(first.policy_id, first.policy_id)}': {first.error}", where=source)
