from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jsonschema_rs import Draft202012Validator

from falaj.config import Issue
from falaj.config.platform_file import (
    PlatformFileError,
    load_platform,
    parse_platform,
    platform_json_schema,
    platform_reference_page,
)
from falaj.config.platform_file.schema_reference import EXAMPLE
from falaj.config.platform_spec import BindingSpec, PlatformSpec, WindowSpec, default_approvals
from falaj.config.yaml_reader import read_document

Issues = Callable[..., tuple[Issue, ...]]


def parsed(text: str) -> PlatformSpec:
    return parse_platform(text.encode(), "platform.yaml", lambda path: f"// {path}").spec


@pytest.fixture
def issues() -> Issues:
    """Replaces text in the example and gives the issues of the result."""

    def replaced(*changes: tuple[str, str]) -> tuple[Issue, ...]:
        text = EXAMPLE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        with pytest.raises(PlatformFileError) as raised:
            parsed(text)
        return raised.value.issues

    return replaced


def dubai(*moment: int) -> float:
    return datetime(*moment, tzinfo=ZoneInfo("Asia/Dubai")).timestamp()  # type: ignore[misc,arg-type]


def test_every_key_becomes_its_unit() -> None:
    spec = parsed(EXAMPLE)
    prod = spec.environments["prod"]
    assert [each.name for each in spec.ordered_environments] == ["dev", "test", "pre-prod", "prod"]
    assert (prod.locations, prod.review_within_s) == (("dubai-dc", "abu-dhabi-edge"), 12 * 3600.0)
    assert prod.windows == (WindowSpec((0, 1, 2, 3), 9 * 60, 16 * 60),)
    assert [(each.start, each.end) for each in prod.freeze] == [(dubai(2026, 12, 1), dubai(2026, 12, 4))]
    assert [spec.locations[each].keep_predictions_s for each in ("local", "dubai-dc")] == [400 * 86_400.0, None]
    assert spec.roles[0] == BindingSpec("data-scientist", group="data-science", project="flight-delay")
    assert spec.standard_changes[0].covers("test", "flight-delay")
    assert not spec.standard_changes[0].covers("test", "other")
    assert spec.entity == {"name": "Example Airports", "jurisdiction": "AE", "sector": "general", "regime": "mainland"}
    assert spec.identity["oidc"]["group_claim"] == "groups"


def test_who_is_told_of_what() -> None:
    (notification,) = parsed(EXAMPLE).notifications
    assert (notification.secret, notification.allow_private) == ("TICKETS_KEY", False)
    assert notification.wants("change.admitted") and notification.wants("rollout.paused")
    assert not notification.wants("changes.x") and not notification.wants("run.ended")
    own = "notifications: [{url: 'http://10.0.0.7:8080/x', events: [run.ended], secret: K, allow_private: true}]"
    (inner,) = parsed(own).notifications
    assert inner.wants("run.ended") and not inner.wants("run.started") and inner.id != notification.id


def test_an_address_is_told_once() -> None:
    entry = "{url: 'https://a.example.org/x', events: [run.*], secret: K}"
    with pytest.raises(PlatformFileError) as raised:
        parsed(f"notifications:\n  - {entry}\n  - {entry}\n")
    assert raised.value.issues[0].where.startswith("platform.yaml:3:") and "twice" in raised.value.issues[0].message


def test_what_is_not_said_has_the_embedded_defaults() -> None:
    assert parsed("timezone: UTC") == PlatformSpec.default()


@pytest.mark.parametrize(
    ("count", "normal"), [(1, [0]), (2, [0, 2]), (3, [0, 0, 2]), (4, [0, 0, 1, 2]), (5, [0, 0, 0, 1, 2])]
)
def test_the_top_of_any_ladder_needs_two_people(count: int, normal: list[int]) -> None:
    approvals = [default_approvals(place, count) for place in range(count)]
    assert [each["normal"] for each in approvals] == normal
    assert [each["emergency"] for each in approvals] == [2 if count else 0 for count in normal]


def test_rank_below_skips_numbers_that_nobody_has() -> None:
    spec = parsed("environments: {lab: {rank: 0}, live: {rank: 10}}")
    below = spec.below("live")
    assert below is not None and below.name == "lab"
    assert spec.below("lab") is None


def test_a_specification_survives_json() -> None:
    spec = parsed(EXAMPLE)
    assert PlatformSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    with pytest.raises(ValueError, match="version 99"):
        PlatformSpec.from_json(spec.to_json() | {"version": 99})


CASES = [
    ("rank: 1}", "rank: 1, frezee: []}", "environments.test.frezee", "no key", "freeze"),
    ("rank: 1}", "rank: 2}", "environments.pre-prod.rank", "`test` has rank 2 too", None),
    ("rank: 0}", "rank: 7}", "environments.test.rank", "no environment has rank 0", None),
    ("rank: 0}", "rank: '0'}", "environments.dev.rank", "not valid", None),
    ("dubai-dc, abu", "dubai-cd, abu", "environments.prod.locations[0]", "no location 'dubai-cd'", "dubai-dc"),
    ("dubai-dc, abu-dhabi-edge", "local, local", "environments.prod.locations", "named twice", None),
    ("normal: 2,", "normal: -1,", "environments.prod.approvals.normal", "not valid", None),
    ("mon, tue", "mno, tue", "environments.prod.windows[0].days[0]", "not known", "mon"),
    ('"09:00"', '"9:00"', "environments.prod.windows[0].from", "not valid", None),
    ('"16:00"', '"24:00"', "environments.prod.windows[0].to", "not valid", None),
    ("to: 2026-12-03", "to: 2026-11-30", "environments.prod.freeze[0]", "ends before it begins", None),
    ("to: 2026-12-03", "to: 2026-13-03", "environments.prod.freeze[0].to", "there is no 2026-13-03", None),
    (", reason: National Day", "", "environments.prod.freeze[0].reason", "is missing", None),
    ("review_within: 12h", "review_within: 12", "environments.prod.review_within", "has no unit", None),
    ("timezone: Asia/Dubai", "timezone: Asia/Dubay", "timezone", "no time zone", "Asia/Dubai"),
    ("kind: edge", "kind: egde", "locations.abu-dhabi-edge.kind", "not known", "edge"),
    ("jurisdiction: AE}", "jurisdiction: UAE}", "locations.local.jurisdiction", "not valid", None),
    ("keep: 400d", "keep: 23h", "locations.local.predictions.keep", "not valid", None),
    ("keep: 400d", "keep: 999999d", "locations.local.predictions.keep", "not valid", None),
    ("runtime: process", "runtime: kubernetes", "locations.dubai-dc.runtime", "not known", None),
    ("runtime: process", "context: dubai", "locations.dubai-dc.context", "no key `context`", None),
    ("group: data-science,", "user: noor, group: data-science,", "roles[0]", "names who has the role", None),
    ("role: data-scientist", "role: data-scientits", "roles[0].role", "not known", "data-scientist"),
    ("role: data-scientist", "role: admin", "roles[0]", "of the whole platform", None),
    ("environment: prod}", "environment: pord}", "roles[1].scope.environment", "no environment 'pord'", "prod"),
    ("project: flight-delay}", "project: a, environment: dev}", "roles[0].scope", "one thing", None),
    ("environments: [test]", "environments: [tset]", "standard_changes.retrained.environments[0]", "no env", "test"),
    ("[uae]", "[uea]", "policy_packs[0]", "no pack 'uea'", "uae"),
    ("policy_packs: [uae]", "policies: {mine: ../mine.cedar}", "policies.mine", "not valid", None),
    ("sector: general", "sector: genral", "entity.sector", "not known", "general"),
    ('"https://login.example.org"', "login.example.org", "identity.oidc.issuer", "not valid", None),
    ("change.*", "chnage.*", "notifications[0].events[0]", "no events 'chnage.*'", "change.*"),
    ("rollout.*", "step.*", "notifications[0].events[1]", "no events 'step.*'", None),
    ("rollout.*", "rollout", "notifications[0].events[1]", "not valid", None),
    ("secret: TICKETS_KEY", "secret: tickets", "notifications[0].secret", "not valid", None),
    ("TICKETS_KEY}", "TICKETS_KEY, evnts: []}", "notifications[0].evnts", "no key", "events"),
    ("https://tickets.", "http://tickets.", "notifications[0]", "not https", None),
    ("tickets.example.org", "10.0.0.7", "notifications[0]", "not a public one", None),
    ("tickets.example.org", "[::1]:8443", "notifications[0]", "not a public one", None),
    ("https://tickets.", "https://me:pw@tickets.", "notifications[0].url", "not an address", None),
    ("tickets.example.org", "tickets.example.org:x", "notifications[0].url", "not an address", None),
]


@pytest.mark.parametrize(("old", "new", "field", "message", "suggestion"), CASES, ids=[case[2] for case in CASES])
def test_a_mistake_is_named_where_it_stands(
    issues: Issues, old: str, new: str, field: str, message: str, suggestion: str | None
) -> None:
    problems = issues((old, new))
    assert [issue.field for issue in problems] == [field]
    assert message in problems[0].message
    assert problems[0].suggestion == suggestion


def test_a_mistake_says_line_and_column() -> None:
    text = "environments:\n  dev: {rank: 0}\n  prod:\n    rank: 1\n    frezee: []\n    locations: [local, moon]\n"
    with pytest.raises(PlatformFileError) as raised:
        parsed(text)
    assert raised.value.issues[0].where == "platform.yaml:5:5"
    with pytest.raises(PlatformFileError) as raised:
        parsed(text.replace("frezee", "freeze"))
    assert raised.value.issues[0].where == "platform.yaml:6:24"


def test_every_mistake_is_told_at_once(issues: Issues) -> None:
    assert len(issues(("kind: edge", "kind: egde"), ("rank: 0}", "rank: x}"), ("[uae]", "[x]"))) == 3


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[]", "a: &x [*x]", "timezone: UTC\ntimezone: UTC"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(PlatformFileError) as raised:
        parsed(text)
    assert (raised.value.code, raised.value.exit_code) == ("platform.invalid", 2)


def test_policies_travel_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "friday.cedar").write_text("// no changes on a Friday")
    (tmp_path / "platform.yaml").write_text("policies: {friday: rules/friday.cedar}")
    loaded = load_platform(tmp_path)
    assert loaded.policies == {"rules/friday.cedar": "// no changes on a Friday"}
    assert loaded.spec.policies == {"friday": "// no changes on a Friday"}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.symlink_to("/etc/hostname"), "outside the folder"),
        (lambda path: path.write_text("/" * 300_000), "more than"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "utf-8"),
        (lambda path: path.mkdir(), "directory"),
    ],
)
def test_a_policy_that_cannot_be_read(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    make(tmp_path / "mine.cedar")
    (tmp_path / "platform.yaml").write_text("policies: {mine: mine.cedar}")
    with pytest.raises(PlatformFileError, match=reason) as raised:
        load_platform(tmp_path / "platform.yaml")
    assert raised.value.issues[0].field == "policies.mine"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(PlatformFileError, match="there is no such file"):
        load_platform(tmp_path)


def test_the_json_schema_accepts_the_example_and_refuses_mistakes() -> None:
    validator = Draft202012Validator(platform_json_schema())
    value = read_document(EXAMPLE.encode(), "platform.yaml").value
    assert not list(validator.iter_errors(value))
    assert list(validator.iter_errors(value | {"enviroments": {}}))


def test_the_reference_has_every_key_of_the_schema() -> None:
    page = platform_reference_page()
    schema = platform_json_schema()
    for definition in (schema, *schema["$defs"].values()):
        for key, value in definition.get("properties", {}).items():
            assert f"| `{key}` |" in page
            assert value.get("description"), f"{key} is not described"


PLACED = """environments: {live: {rank: 0, placement: {jurisdiction: [AE], kind: [edge]}}}
locations: {a: {kind: edge, jurisdiction: AE}, b: {kind: edge, jurisdiction: AE-DU}, c: {kind: cloud, jurisdiction: AE}}
"""


def test_an_environment_takes_the_locations_that_fit_its_placement() -> None:
    spec = parsed(PLACED)
    assert spec.environments["live"].locations == ("a", "b")
    assert PlatformSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: [edge]", "at_least: 4", "3 of 3 locations fit"),
        ("kind: [edge]", "kind: [on-prem]", "0 of 3 locations fit"),
        ("rank: 0,", "rank: 0, locations: [a],", "both name where it runs"),
        ("kind: [edge]", "within_ms: 40", "no key"),
    ],
)
def test_a_placement_that_cannot_be_is_refused_where_it_stands(old: str, new: str, message: str) -> None:
    with pytest.raises(PlatformFileError) as raised:
        parsed(PLACED.replace(old, new))
    assert any(message in f"{issue.message} {issue}" for issue in raised.value.issues)


MAIL = "kind: email, to: [a@example.org], from: f@example.org, host: mail.example.org, events: [alert.*]"


def test_channels_and_people_are_told_of_events_too() -> None:
    slack, mail = parsed(
        f"notifications: [{{kind: slack, secret: CHANNEL, events: [change.*]}}, {{{MAIL}}}]"
    ).notifications
    assert (slack.kind, slack.url, slack.name) == ("slack", "", "slack CHANNEL")
    assert mail.mail is not None and (mail.mail.port, mail.mail.tls, mail.name) == (
        587,
        "starttls",
        "email a@example.org",
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("kind: slack, events: [change.*]", "has no `secret`"),
        ("kind: teams, secret: S, url: 'https://x.example.org/a', events: [change.*]", "`url` is not of kind teams"),
        ("kind: pigeon, secret: S, events: [change.*]", "not known"),
        (MAIL.replace("from: f@example.org, ", ""), "has no `from`"),
        (f"{MAIL}, user: falaj", "belong together"),
        (f"{MAIL}, tls: 'off'", "could be read on the way"),
        (f"{MAIL}, to: ['a@example.org\\r\\nBcc: b@example.org']".replace("to: [a@example.org], ", ""), "not valid"),
    ],
)
def test_who_cannot_be_told_is_refused_where_it_stands(entry: str, message: str) -> None:
    with pytest.raises(PlatformFileError) as raised:
        parsed(f"notifications: [{{{entry}}}]")
    assert any(message in issue.message for issue in raised.value.issues), [
        each.message for each in raised.value.issues
    ]
