"""Policies that are loaded: parsed once, checked against the schema, each with an id and a sentence for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import cedarpy

from falaj.governance.policy.errors import PolicyError

BUILT_IN = ("permits", "forbids")


@dataclass(frozen=True)
class Rule:
    """One policy.

    Args:
        id: Its `@id`.
        effect: `permit` or `forbid`.
        explanation: Its `@explain`: what a refused person reads.
        source: The file that holds it, without suffix.
    """

    id: str
    effect: str
    explanation: str
    source: str


@dataclass(frozen=True)
class PolicySet:
    """Policies ready to decide; `built_in` and `with_organisation` make them.

    Args:
        rules: By `@id`, in the order in which they stand.
        texts: The Cedar text of each source.
        engine: The parsed policies.
        schema: The parsed schema.
    """

    rules: Mapping[str, Rule]
    texts: Mapping[str, str]
    engine: cedarpy.PolicySet = field(repr=False, compare=False)
    schema: cedarpy.Schema = field(repr=False, compare=False)


@cache
def built_in() -> PolicySet:
    """The policies that Falaj ships."""
    return load({name: rule_text(f"{name}.cedar") for name in BUILT_IN})


def load(texts: Mapping[str, str]) -> PolicySet:
    """Parse, check and index policies.

    Args:
        texts: Cedar text by name of its source.

    Raises:
        PolicyError: Says the source, the policy and what is wrong with it.
    """
    rules: dict[str, Rule] = {}
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
    return files("falaj.governance.policy").joinpath("rules", name).read_text(encoding="utf-8")


def _rules(source: str, text: str) -> list[Rule]:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise PolicyError(f"the policies do not parse: {error}", where=source) from error
    if parsed["templates"]:
        raise PolicyError("templates decide nothing until they are linked", where=source, hint="write static policies")
    return [_rule(source, key, policy) for key, policy in parsed["staticPolicies"].items()]


def _rule(source: str, key: str, policy: Mapping[str, Mapping[str, str]]) -> Rule:
    annotations = policy.get("annotations", {})
    if not annotations.get("id"):
        raise PolicyError(f"{key} has no @id", where=source, hint='begin each policy with @id("...") @explain("...")')
    if not annotations.get("explain"):
        raise PolicyError(
            f"'{annotations['id']}' has no @explain", where=source, hint="say what a refused person reads"
        )
    return Rule(annotations["id"], str(policy["effect"]), annotations["explain"], source)


def _validate(source: str, text: str, schema: cedarpy.Schema) -> None:
    result = cedarpy.validate_policies(text, schema)
    if not result.validation_passed:
        names = result.id_annotations_by_policy_id
        first = result.errors[0]
        raise PolicyError(f"'{names.get(first.policy_id, first.policy_id)}': {first.error}", where=source)
