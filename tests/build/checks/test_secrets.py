"""The secret scan: shapes of tokens, random values, and what is not one."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.checks import run_check
from falaj.build.checks.secret_patterns import ALLOW, TOKENS, entropy, find_secrets

# put together here, so that this file holds no token itself
EXAMPLES = {
    "aws-access-key": "AKIA" + "Q3EGRTXV7NPLMZ5K",
    "github-token": "ghp_" + "aB3" * 12,
    "gitlab-token": "glpat-" + "x9Y_" * 5,
    "google-api-key": "AIza" + "Sy0" * 11 + "ab",
    "slack-token": "xoxb-" + "123456789012-abcdef",
    "slack-webhook": "https://hooks.slack.com" + "/services/T0AB1/B0CD2/x1y2z3",
    "stripe-key": "sk_live_" + "4eC39HqLyjWDarjtT1zd",
    "hugging-face-token": "hf_" + "AbCdEfGhIj" * 3 + "KlMn",
    "pypi-token": "pypi-AgEIcHlwaS5vcmc" + "CJDk3" * 12,
    "npm-token": "npm_" + "a1B2c3" * 6,
    "openai-key": "sk-proj-" + "a1B2" * 6 + "T3BlbkFJ" + "c3D4" * 6,
    "anthropic-key": "sk-ant-" + "api03-" + "aB3_" * 22,
    "azure-storage-key": "AccountKey=" + "aB3+" * 21 + "xy==",
    "json-web-token": "eyJhbGciOiJI" + "UzI1.eyJzdWIiOiIx" + "MjM0.SflKxwRJSMeKKF2QT4",
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "url-password": "postgresql://falaj:" + "hunter2x@db.example.org/x",
}


def kinds(text):
    return [finding.rule for finding in find_secrets("file", text)]


def test_every_shape_has_an_example():
    assert EXAMPLES.keys() == TOKENS.keys()


@pytest.mark.parametrize("kind", TOKENS)
def test_every_shape_finds_its_example_and_keeps_it_to_itself(kind):
    text = f"first line\nvalue = {EXAMPLES[kind]}\n"
    (secret_finding,) = find_secrets("settings.py", text)
    assert (secret_finding.path, secret_finding.line, secret_finding.rule) == ("settings.py", 2, kind)
    assert EXAMPLES[kind] not in str(secret_finding)


@pytest.mark.parametrize(
    "line",
    [
        'password = "' + "kT9#vLq2!xWz7Rb" + '"',
        "  api_key: '" + "9f8Qz1LmX0vB7tYpRc" + "'",
        '{"client_secret": "' + "Zx81-qPw93_LmNb72" + '"}',
    ],
)
def test_random_values_of_secret_names_are_found(line):
    assert kinds(line) == ["random-value"]


@pytest.mark.parametrize(
    "line",
    [
        'password = os.environ["DATABASE_PASSWORD"]',
        'password = "${DATABASE_PASSWORD}"',
        'token_url = "https://login.example.org/oauth/token"',
        'secret_name = "aaaaaaaaaaaaaaaaaaaaaaaa"',
        'password = "short"',
        "postgresql://falaj:${PASSWORD}@db/x",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tokens = tokenize(text)",
    ],
)
def test_references_and_plain_words_are_not_secrets(line):
    assert kinds(line) == []


@given(st.text(max_size=200))
def test_any_text_is_scanned_without_an_error(text):
    list(find_secrets("file", text))


@given(st.text(min_size=1, max_size=50))
def test_entropy_is_between_nothing_and_all_different(text):
    assert 0 <= entropy(text) <= len(text).bit_length() + 1
    assert entropy("a" * 10) == 0
    assert entropy("ab" * 10) == 1


@pytest.mark.parametrize("text", [f"key = 'TOKEN'  # {ALLOW}", f"# {ALLOW}\nkey = 'TOKEN'"])
def test_a_comment_allows_one(text):
    token = EXAMPLES["github-token"]
    assert kinds(text.replace("TOKEN", token)) == []
    assert kinds(text.replace("TOKEN", token) + f"\nother = '{token}'") == ["github-token"]


@pytest.mark.integration
def test_the_check_looks_at_what_git_tracks(bench):
    bench.write("model.py", "x = 1\n")
    bench.write("settings.py", f"key = '{EXAMPLES['aws-access-key']}'\n")
    bench.write("untracked.py", f"key = '{EXAMPLES['aws-access-key']}'\n")
    bench.write("uv.lock", f"# {EXAMPLES['github-token']}\n")
    (bench.worktree / "data.bin").write_bytes(b"\0" + EXAMPLES["github-token"].encode())
    for command in (["init", "-q"], ["add", "model.py", "settings.py", "uv.lock", "data.bin"]):
        subprocess.run(["git", *command], cwd=bench.worktree, check=True)
    check_result = run_check("secrets", bench.context())
    assert not check_result.passed
    assert [(finding.path, finding.line) for finding in check_result.findings] == [("settings.py", 1)]
    assert check_result.checked == 2
    assert "2 files scanned, 2 skipped, 1 secrets found" in check_result.summary


def test_without_git_every_file_is_scanned_and_ignored_paths_are_not(bench):
    bench.write("tests/data/key.txt", EXAMPLES["private-key"])
    bench.write("model.py", "x = 1\n")
    assert not run_check("secrets", bench.context()).passed
    bench.options(secrets={"ignore": ["tests/data/*"]})
    check_result = run_check("secrets", bench.context())
    assert check_result.passed
    assert check_result.checked == 1


def test_no_files_is_a_failure(bench):
    check_result = run_check("secrets", bench.context())
    assert (check_result.passed, check_result.checked) == (False, 0)
