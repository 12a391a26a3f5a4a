"""The commands about keys and secrets, against a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from falaj.core.home import Home
from falaj.supply_chain.encryption import KeyScope, open_chest
from tests.cli.conftest import Command
from tests.platforms import Served

pytestmark = pytest.mark.integration

VALUE = "correct horse battery staple"


def test_a_secret_is_given_on_standard_input_and_never_shown(falaj_served: Command) -> None:
    ended = falaj_served("project", "secret", "set", "DB_PASSWORD", stdin=f"{VALUE}\n")
    assert (ended.returncode, ended.stderr) == (0, "") and VALUE not in ended.stdout
    listed = falaj_served("project", "secret", "list", "--json")
    assert [each["name"] for each in json.loads(listed.stdout)] == ["DB_PASSWORD"] and VALUE not in listed.stdout
    headings, row = falaj_served("project", "secret", "list", "--project", "flights").stdout.splitlines()
    assert headings.split() == ["SECRET", "SET", "BY"] and row.startswith("DB_PASSWORD")
    assert falaj_served("project", "secret", "remove", "DB_PASSWORD").returncode == 0
    assert falaj_served("project", "secret", "list").stdout == "no secrets; falaj project secret set NAME\n"


def test_a_secret_may_come_from_a_file(falaj_served: Command, tmp_path: Path) -> None:
    (tmp_path / "value").write_text(f"{VALUE}\n")
    assert falaj_served("project", "secret", "set", "FROM_FILE", "--file", "value").returncode == 0
    assert falaj_served("project", "secret", "remove", "FROM_FILE").returncode == 0


def test_a_value_is_no_argument(falaj_served: Command) -> None:
    ended = falaj_served("project", "secret", "set", "DB_PASSWORD", VALUE, stdin=VALUE)
    assert ended.returncode == 2


def test_what_is_too_short_is_refused_with_the_reason(falaj_served: Command) -> None:
    ended = falaj_served("project", "secret", "set", "DB_PASSWORD", stdin="short")
    assert ended.returncode == 2 and "8 to 32,768 characters" in ended.stderr and "short'" not in ended.stderr


def test_keys_are_listed(falaj_served: Command, served: Served) -> None:
    key = served.platform.keys.current(served.platform.vault.scope)
    (listed,) = json.loads(falaj_served("platform", "key", "list", "--json").stdout)
    assert (listed["id"], listed["state"], listed["root"]) == (key.id, "current", "file:root.key")
    assert key.id in falaj_served("platform", "key", "list").stdout


def test_destruction_asks_for_the_id_again_and_for_the_right(falaj_served: Command, served: Served) -> None:
    key = served.platform.keys.current(served.platform.vault.scope).id
    ended = falaj_served("platform", "key", "destroy", key, "--reason", "x")
    assert ended.returncode == 2 and "does not match" in ended.stderr
    assert falaj_served("platform", "key", "destroy", key, "--reason", "x", "--confirm", "other").returncode == 2
    assert falaj_served("platform", "key", "destroy", key, "--reason", "x", "--confirm", key).returncode != 0
    assert falaj_served("platform", "key", "rotate").returncode != 0
    assert served.platform.keys.find(key)


def test_keys_move_to_another_root_key_while_the_platform_is_down(falaj: Command, tmp_path: Path) -> None:
    home = Home(tmp_path / "home", {}).prepare()
    key = open_chest(home).current(KeyScope())
    ended = falaj("platform", "key", "rewrap", f"file:{tmp_path}/new.key")
    assert ended.returncode == 0 and f"set FALAJ_ROOT_KEY=file:{tmp_path}/new.key" in ended.stdout
    assert open_chest(Home(home.root, {"FALAJ_ROOT_KEY": f"file:{tmp_path}/new.key"})).find(key.id) == key
