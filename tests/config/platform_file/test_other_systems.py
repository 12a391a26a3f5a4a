"""Connections and stores of secrets in platform.yaml: what is refused when the file is read."""

from __future__ import annotations

import pytest

from falaj.config.connections import DatabaseAddress
from falaj.config.platform_file import PlatformFileError, parse_platform
from falaj.config.platform_spec import PlatformSpec

DWH = "host: db.example.org, database: dwh, user: falaj, jurisdiction: AE"
STORE = "secret_stores: {corp: {kind: vault, url: 'https://vault.example.org', approle: {role: r, secret: VAULT_ID}}}\n"


def parsed(text: str) -> PlatformSpec:
    return parse_platform(text.encode(), "platform.yaml", lambda path: f"// {path}").spec


def test_a_database_is_verified_unless_it_is_on_this_machine() -> None:
    spec = parsed(f"connections:\n  dwh: {{kind: postgres, {DWH}}}\n  own: {{kind: postgres, "
                  "host: 127.0.0.1, database: d, user: u, jurisdiction: AE, timeout: 30s, max_rows: 10}\n")  # fmt: skip
    assert spec.connections["dwh"].database == DatabaseAddress("db.example.org", "dwh", "falaj", tls="verify-full")
    own = spec.connections["own"].database
    assert own and (own.tls, own.timeout_s, own.max_rows) == ("off", 30.0, 10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("kind: oracle, jurisdiction: AE", "not known"),
        ("kind: postgres, host: h, database: d, jurisdiction: AE", "has no `user`"),
        (f"kind: postgres, {DWH}, bucket: acme-lake", "`bucket` is not of kind postgres"),
        (f"kind: postgres, {DWH}, tls: off", "without TLS"),
        (f"kind: postgres, {DWH}, password: hunter22", "no key `password`"),
        (f"kind: postgres, {DWH}, secrets: {{key: K}}", "secrets are those of another kind"),
        ("kind: s3, bucket: acme-lake, jurisdiction: AE, secrets: {key: K}", "go together"),
        ("kind: s3, bucket: acme-lake, jurisdiction: AE, endpoint: 'https://user:pw@s3'", "not valid"),
        ("kind: s3, bucket: acme-lake", "is missing"),
        ("kind: folder, path: data, jurisdiction: AE", "not valid"),
    ],
)
def test_a_connection_that_cannot_be(settings: str, message: str) -> None:
    with pytest.raises(PlatformFileError) as error:
        parsed(f"connections: {{x: {{{settings}}}}}")
    assert message in str(error.value)


def test_a_secret_is_in_a_store() -> None:
    spec = parsed(f"{STORE}secrets: {{DWH_PASSWORD: 'corp:data/falaj/dwh#password'}}")
    assert str(spec.secrets["DWH_PASSWORD"]) == "corp:data/falaj/dwh#password"
    assert PlatformSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("secrets: {A: 'corp:data/a#b'}", "no secret store 'corp'"),
        (f"{STORE}secrets: {{A: 'crop:data/a#b'}}", "no secret store 'crop'"),
        (f"{STORE}secrets: {{A: 'corp:data/a'}}", "written otherwise"),
        (f"{STORE}secrets: {{A: 'corp:data/../a#b'}}", "leads to no secret"),
        (f"{STORE}secrets: {{VAULT_ID: 'corp:data/a#b'}}", "is in a store itself"),
        ("secret_stores: {m: {kind: file, path: /run/secrets}}\nsecrets: {A: 'm:a#b'}", "written otherwise"),
        ("secret_stores: {m: {kind: file, path: /run/secrets, mount: kv}}", "`mount` is not of kind file"),
        ("secret_stores: {m: {kind: vault, url: 'https://v'}}", "has no `approle`"),
        (
            f"{STORE}secrets: {{A: 'corp:data/a#b'}}\n"
            "notifications: [{url: 'https://t.example.org', events: [run.*], secret: A}]",
            "stores keep secrets of `connections` alone",
        ),
    ],
)  # fmt: skip
def test_a_store_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(PlatformFileError) as error:
        parsed(text)
    assert message in str(error.value)
