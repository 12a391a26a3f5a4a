"""What the web UI is made of, looked at without a browser: both languages, a family for each state, and its size."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from falaj.schemas import states

ROOT = Path(__file__).parents[2]
UI, BUILT = ROOT / "ui/src", ROOT / "src/falaj/ui"
JAVASCRIPT_BYTES, STYLE_BYTES, CHUNK_BYTES = 60_000, 12_000, 30_000
LATIN_IN_ARABIC: frozenset[str] = frozenset()
"""Keys whose Arabic text has no Arabic letter; at most 40."""


def texts(language: str) -> dict[str, Any]:
    return dict(json.loads((UI / f"text/{language}.json").read_text()))


def forms(message: Any) -> list[str]:
    return list(message.values()) if isinstance(message, dict) else [message]


def test_no_message_is_missing_in_either_language() -> None:
    english, arabic = texts("en"), texts("ar")
    assert english.keys() == arabic.keys()
    assert {key for key in english if isinstance(english[key], dict) != isinstance(arabic[key], dict)} == set()


def test_plurals_have_the_forms_of_their_language() -> None:
    for language, needed in (("en", {"one", "other"}), ("ar", {"zero", "one", "two", "few", "many", "other"})):
        assert all(set(each) == needed for each in texts(language).values() if isinstance(each, dict))


def test_arabic_is_arabic() -> None:
    latin = {
        key for key, text in texts("ar").items() if not all(re.search(r"[\u0600-\u06ff]", each) for each in forms(text))
    }
    assert latin == LATIN_IN_ARABIC and len(LATIN_IN_ARABIC) <= 40


def test_both_languages_name_the_same_values() -> None:
    english, arabic = texts("en"), texts("ar")
    for key in english:
        names = [set(re.findall(r"\{(\w+)\}", " ".join(forms(each[key])))) for each in (english, arabic)]
        assert names[0] == names[1], key


def test_every_message_that_a_page_asks_for_is_there() -> None:
    sources = "".join(path.read_text() for path in UI.rglob("*.ts*") if path.name != "schema.d.ts")
    asked_for = set(re.findall(r"\bt\('([^'$]+)'", sources))
    assert asked_for - texts("en").keys() == set() and len(asked_for) > 50


STATES = {
    word for name in vars(states) if name.endswith(("State", "Outcome")) for word in get_args(getattr(states, name))
}


def test_every_state_has_one_family_and_a_word_in_both_languages() -> None:
    families = json.loads((UI / "model/states.json").read_text())
    words = [word for each in families.values() for word in each]
    assert len(words) == len(set(words)) and set(words) >= STATES
    assert {f"state.{word}" for word in STATES} <= texts("ar").keys()


def test_styles_turn_with_the_direction_of_the_language() -> None:
    styles = "".join(path.read_text() for path in UI.rglob("*.css"))
    physical = (
        r"(?<![\w-])(?:margin|padding|border)-(?:left|right|top|bottom)|(?<![\w-])(?:left|right|float|width|height)\s*:"
    )
    assert re.findall(physical, styles) == []


def test_the_first_load_is_small() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), mtime=0)) for path in BUILT.iterdir()}
    pages = {f"{path.stem}.js" for path in (UI / "pages").glob("*.tsx")} & sizes.keys()
    always = sizes["app.js"] + sizes["shared.js"] + max(sizes["en.js"], sizes["ar.js"])
    assert always + max(sizes[page] for page in pages) <= JAVASCRIPT_BYTES
    assert sizes["app.css"] <= STYLE_BYTES
    assert all(size <= CHUNK_BYTES for name, size in sizes.items() if name not in ("app.js", "shared.js"))


@pytest.mark.parametrize("path", sorted(UI.rglob("*.tsx")), ids=lambda path: path.name)
def test_no_page_makes_markup_of_text(path: Path) -> None:
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", path.read_text())
