from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.config.platform_spec import (
    BindingSpec,
    EnvironmentSpec,
    FreezeSpec,
    LocationSpec,
    PlatformSpec,
    StandardChangeSpec,
    WindowSpec,
)
from falaj.trust.settings import SettingDifference, differences

DEFAULT = PlatformSpec.default()
PROD = DEFAULT.environments["prod"]
FREEZE = FreezeSpec(1000.0, 2000.0, "National Day")
AGAIN = FreezeSpec(5000.0, 6000.0, "National Day")
BINDING = BindingSpec("release-manager", group="managers", environment="prod")

names = st.sampled_from(["a", "b", "c"])
environments = st.dictionaries(
    names, st.builds(EnvironmentSpec, name=st.just("x"), rank=st.integers(0, 3), approvals=st.just({"normal": 1}))
).map(lambda named: {name: replace(each, name=name) for name, each in named.items()})
locations = st.dictionaries(
    names, st.builds(LocationSpec, name=st.just("x"), jurisdiction=st.sampled_from(["AE", "DE"]))
)
specs = st.builds(
    PlatformSpec,
    environments=environments,
    locations=locations.map(lambda named: {name: replace(each, name=name) for name, each in named.items()}),
    roles=st.lists(st.builds(BindingSpec, st.just("auditor"), group=names), max_size=2, unique=True).map(
        lambda names: tuple(sorted(names, key=str))
    ),
    policy_packs=st.sampled_from([(), ("uae",)]),
    policies=st.dictionaries(names, st.text(max_size=3)),
)


def prod(**changes: object) -> PlatformSpec:
    changed = replace(PROD, **changes)  # type: ignore[arg-type]
    return replace(DEFAULT, environments={**DEFAULT.environments, "prod": changed})


def keeping(seconds: float) -> PlatformSpec:
    local = replace(DEFAULT.locations["local"], keep_predictions_s=seconds)
    return replace(DEFAULT, locations={"local": local})


def abroad() -> PlatformSpec:
    return replace(DEFAULT, locations={"local": replace(DEFAULT.locations["local"], jurisdiction="US")})


def standard(environments: tuple[str, ...] = ("test",), projects: tuple[str, ...] = ()) -> PlatformSpec:
    return replace(DEFAULT, standard_changes=(StandardChangeSpec("again", environments, projects),))


def test_each_setting_that_differs_is_named_with_its_values() -> None:
    assert differences(DEFAULT, prod(approvals={"normal": 3, "emergency": 2})) == (
        SettingDifference("changed", "environments.prod.approvals.normal", 2, 3, loosens=False),
    )


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (DEFAULT, prod(approvals={"normal": 1, "emergency": 2}), "environments.prod.approvals.normal"),
        (DEFAULT, prod(review_within_s=PROD.review_within_s + 1), "environments.prod.review_within_s"),
        (DEFAULT, prod(rank=9), "environments.prod.rank"),
        (DEFAULT, keeping(86_400.0), "locations.local.keep_predictions_s"),
        (keeping(2 * 86_400.0), keeping(86_400.0), "locations.local.keep_predictions_s"),
        (
            prod(windows=(WindowSpec((0,), 0, 60),)),
            prod(windows=(WindowSpec((0,), 0, 60),), timezone="Asia/Dubai"),
            "environments.prod.windows",
        ),
        (DEFAULT, replace(DEFAULT, environments={"prod": PROD}), "environments.test"),
        (prod(freeze=(FREEZE, AGAIN)), prod(freeze=(FREEZE,)), "environments.prod.freeze.National Day"),
        (standard(projects=("a",)), standard(), "standard_changes.again"),
        (standard(projects=("a",)), standard(projects=("a", "b")), "standard_changes.again"),
        (standard(), standard(environments=("dev", "test")), "standard_changes.again"),
        (prod(freeze=(FREEZE,)), DEFAULT, "environments.prod.freeze.National Day"),
        (prod(freeze=(FREEZE,)), prod(freeze=(replace(FREEZE, end=1999.0),)), "environments.prod.freeze.National Day"),
        (prod(windows=(WindowSpec((0,), 0, 60),)), DEFAULT, "environments.prod.windows"),
        (DEFAULT, replace(DEFAULT, roles=(BINDING,)), "roles.group managers is release-manager in environment prod"),
        (replace(DEFAULT, policies={"mine": "x"}), DEFAULT, "policies.mine"),
        (replace(DEFAULT, policies={"mine": "x"}), replace(DEFAULT, policies={"mine": "y"}), "policies.mine"),
        (replace(DEFAULT, policy_packs=("uae",)), DEFAULT, "policy_packs.uae"),
        (DEFAULT, replace(DEFAULT, policies={"mine": "permit (principal, action, resource);"}), "policies.mine"),
        (DEFAULT, replace(DEFAULT, identity={"oidc": {"issuer": "https://b"}}), "identity.oidc.issuer"),
        (prod(bake_s=60.0), prod(bake_s=30.0), "environments.prod.bake_s"),
        (DEFAULT, prod(require_lockfile=False), "environments.prod.require_lockfile"),
        (prod(rollout={"kind": "canary"}), prod(rollout={"kind": "recreate"}), "environments.prod.rollout"),
        (prod(rollout={"kind": "canary"}), DEFAULT, "environments.prod.rollout"),
        (DEFAULT, prod(locations=("local", "abroad")), "environments.prod.locations"),
        (DEFAULT, abroad(), "locations.local.jurisdiction"),
        (
            DEFAULT,
            replace(DEFAULT, standard_changes=(StandardChangeSpec("again", ("test",)),)),
            "standard_changes.again",
        ),
    ],
)
def test_what_asks_for_less_is_marked(old: PlatformSpec, new: PlatformSpec, path: str) -> None:
    assert {each.path: each.loosens for each in differences(old, new)}[path]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (prod(approvals={"normal": 1, "emergency": 2}), DEFAULT),
        (DEFAULT, prod(freeze=(FREEZE,))),
        (keeping(86_400.0), keeping(2 * 86_400.0)),
        (keeping(86_400.0), DEFAULT),
        (prod(freeze=(FREEZE,)), prod(freeze=(FREEZE, AGAIN))),
        (standard(), standard(projects=("a",))),
        (standard(environments=("dev", "test")), standard()),
        (standard(), DEFAULT),
        (prod(bake_s=30.0), prod(bake_s=60.0)),
        (prod(require_lockfile=False), DEFAULT),
        (DEFAULT, prod(rollout={"kind": "canary"})),
        (replace(DEFAULT, identity={"oidc": {"issuer": "https://b"}}), DEFAULT),
        (replace(DEFAULT, roles=(BINDING,)), DEFAULT),
        (DEFAULT, replace(DEFAULT, policies={"mine": "x"}, policy_packs=("uae",))),
    ],
)
def test_what_asks_for_more_is_not(old: PlatformSpec, new: PlatformSpec) -> None:
    assert differences(old, new)
    assert not any(each.loosens for each in differences(old, new))


def test_a_longer_freeze_and_a_first_window_ask_for_more() -> None:
    longer = prod(freeze=(replace(FREEZE, end=3000.0),))
    assert not any(each.loosens for each in differences(prod(freeze=(FREEZE,)), longer))
    assert not any(each.loosens for each in differences(DEFAULT, prod(windows=(WindowSpec((0,), 0, 60),))))


def test_a_new_environment_asks_for_nothing_less() -> None:
    more = replace(DEFAULT, environments={**DEFAULT.environments, "canary": EnvironmentSpec("canary", 4)})
    setting_changes = differences(DEFAULT, more)
    assert [(each.kind, each.path) for each in setting_changes] == [("added", "environments.canary")]
    assert not any(each.loosens for each in setting_changes)


@given(specs)
def test_nothing_differs_from_itself_nor_from_what_was_stored(spec: PlatformSpec) -> None:
    assert differences(spec, spec) == ()
    assert differences(spec, PlatformSpec.from_json(json.loads(json.dumps(spec.to_json())))) == ()


@given(specs, specs)
def test_differences_are_found_when_there_are_any_and_turn_around(old: PlatformSpec, new: PlatformSpec) -> None:
    there, back = differences(old, new), differences(new, old)
    assert bool(there) == (old != new)
    assert [(each.path, each.before, each.after) for each in there] == [(b.path, b.after, b.before) for b in back]
    assert json.loads(json.dumps([each.before for each in there])) == [each.before for each in there]
