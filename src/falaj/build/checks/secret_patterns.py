"""What a secret in a text file looks like: the shapes of well-known tokens, and values that are too random.

Pure. The shapes follow what the vendors publish; most begin with a fixed prefix, so false alarms are rare. The second
rule looks at quoted values that are assigned to a name such as `password` and measures their entropy.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from falaj.build.checks.results import Finding

ALLOW = "falaj: allow-secret"
"""A comment with these words on the line, or on the line above, says that what is there is no secret."""

RANDOM_BITS = 3.5
"""Bits of entropy a character from which an assigned value counts as random; English text has less."""
LONGEST_LINE = 20_000

TOKENS: dict[str, str] = {
    "aws-access-key": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "github-token": r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{50,}\b",
    "gitlab-token": r"\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20,}\b",
    "google-api-key": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "slack-token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}\b",
    "slack-webhook": r"https://hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+",
    "stripe-key": r"\b[rs]k_live_[A-Za-z0-9]{20,}\b",
    "hugging-face-token": r"\bhf_[A-Za-z]{30,}\b",
    "pypi-token": r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}",
    "npm-token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "openai-key": r"\bsk-(?:proj-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}\b",
    "anthropic-key": r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{80,}\b",
    "azure-storage-key": r"AccountKey=[A-Za-z0-9+/]{86}==",
    "json-web-token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "private-key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "url-password": r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]+:(?![$<{*%])[^\s/@'\"]{3,}@[^\s/]+",
}

_TOKENS = re.compile("|".join(f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in TOKENS.items()))
_ASSIGNED = re.compile(
    r"""(?ix) (?P<name>[\w.-]*(?:passwo?r?d|passwd|secret|token|api[_-]?key|access[_-]?key|credential)[\w.-]*)
    ["']?\s*[:=]\s*["'](?P<value>[^"'\s]{12,})["']"""
)
_REFERENCE = re.compile(r"[$<{]|^(?:env|file|https?|vault|secret)s?[:/]|example|placeholder|changeme", re.IGNORECASE)


def find_secrets(path: str, text: str) -> Iterator[Finding]:
    """What looks like a secret, line by line.

    Args:
        path: Named in the findings.
        text: Content of the file.

    Yields:
        Findings that name the place and the kind, never the value.
    """
    before = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if ALLOW not in line and not (ALLOW in before and before.lstrip().startswith(("#", "//", "--", ";"))):
            yield from _in_line(path, number, line[:LONGEST_LINE])
        before = line


def _in_line(path: str, number: int, line: str) -> Iterator[Finding]:
    kinds = {str(match.lastgroup).replace("_", "-") for match in _TOKENS.finditer(line)}
    for kind in sorted(kinds):
        yield Finding(path, number, kind, f"looks like a secret ({kind.replace('-', ' ')})")
    if kinds:
        return
    for match in _ASSIGNED.finditer(line):
        if not _REFERENCE.search(match["value"]) and entropy(match["value"]) >= RANDOM_BITS:
            yield Finding(path, number, "random-value", f"a random value is assigned to {match['name']!r}")


def entropy(text: str) -> float:
    """Bits a character of the text's own distribution of characters (Shannon)."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
