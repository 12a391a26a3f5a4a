from __future__ import annotations

import pytest

from falaj.build.images import parse_reference
from falaj.core.errors import UsageError

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "parts", "url"),
    [
        ("registry.example.org/a/b:1", ("registry.example.org", "a/b", "1", ""), "https://registry.example.org"),
        ("oci://registry.example.org:5000/a", ("registry.example.org:5000", "a", "", ""), "https://registry.example.org:5000"),
        (f"localhost:5000/a@{DIGEST}", ("localhost:5000", "a", "", DIGEST), "http://localhost:5000"),
        (f"127.0.0.1:5000/a:x@{DIGEST}", ("127.0.0.1:5000", "a", "x", DIGEST), "http://127.0.0.1:5000"),
        ("registry:5000/a__b-c.d/e", ("registry:5000", "a__b-c.d/e", "", ""), "https://registry:5000"),
        ("127.0.0.1.example.org/a", ("127.0.0.1.example.org", "a", "", ""), "https://127.0.0.1.example.org"),
    ],
)  # fmt: skip
def test_a_reference_names_registry_repository_tag_and_digest(
    text: str, parts: tuple[str, str, str, str], url: str
) -> None:
    reference = parse_reference(text)
    assert (reference.host, reference.path, reference.tag, reference.digest) == parts and reference.url == url


@pytest.mark.parametrize(
    "text",
    ["", "a", "a/b", "registry.example.org", "registry.example.org/", "registry.example.org/A",
     "registry.example.org/a:",
     "registry.example.org/a@sha256:12", "http://registry.example.org/a", "registry.example.org/a/../b", "-x.org/a b",
     "registry.example.org/a:-x", "user@registry.example.org/a", "registry.example.org/a\n"],
)  # fmt: skip
def test_what_names_no_image_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert caught.value.code == "image.bad-reference" and caught.value.exit_code == 2
