"""The pages under `docs/` can be reached: each is in the index, and every link leads to what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GLOSSARY = DOCS / "reference" / "glossary.md"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"])


def prose(page: Path) -> str:
    """A page without its blocks of code, in which `](` is no link and `#` no heading."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Relative links of a page: path (empty for the page itself) and anchor."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings as GitHub makes them; a heading that comes again is numbered."""
    anchors_so_far: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchors_so_far.append(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return {
        f"{anchor}-{earlier}" if (earlier := anchors_so_far[:index].count(anchor)) else anchor
        for index, anchor in enumerate(anchors_so_far)
    }


def dead_links(page: Path) -> list[str]:
    """Links of a page to a file or a heading that does not exist."""
    dead = []
    for path, anchor in links(page):
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(f"{path}#{anchor}" if anchor else path)
    return dead


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    listed = {(DOCS / path).resolve() for path, _ in links(index) if path}
    pages = {page for page in DOCS.rglob("*.md") if page != index and page.parent.name != "decisions"}
    assert sorted(str(page.relative_to(DOCS)) for page in pages - listed) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    assert dead_links(page) == []


def test_a_dead_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# There\n\n## Here, too\n\n## Here, too\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md#here-too-1) [b](gone.md) [c](there.md#gone) [d](https://example.org)\n```\n[e](f)\n```\n"
    )
    assert dead_links(page) == ["gone.md", "there.md#gone"]


def test_the_glossary_has_forty_terms_in_order_each_explained_by_a_page() -> None:
    terms = re.findall(r"^## (.+)\n\n((?:.+\n)+)", prose(GLOSSARY), re.MULTILINE)
    names = [name for name, _ in terms]
    assert len(names) >= 40 and names == sorted(names, key=str.lower)
    assert [name for name, text in terms if not re.search(r"\]\([^#)]", text)] == [], "terms without a page"


OLD_WORDS = re.compile(
    r"\b(twins?|walls?|rungs?|ladder|captured gates?|way back|envoy-port|awaiting-approval|rolled-back)\b",
    re.IGNORECASE,
)
"""Words of before `docs/reference/glossary.md`; a decision record keeps the words of its day."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_the_words_of_the_glossary(page: Path) -> None:
    lines = () if page.parent.name == "decisions" else page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if OLD_WORDS.search(line)] == []
    assert OLD_WORDS.search("behind the Wall")
