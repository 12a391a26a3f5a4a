"""The environment variables of what runs in the sandbox: named ones only, and every folder in its scratch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_PASSED = frozenset({"LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "USER", "LOGNAME"})
_NETWORK = frozenset(
    {
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    }
)  # fmt: skip
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_BELOW_HOME = {
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "MPLCONFIGDIR": ".config/matplotlib",
    "NUMBA_CACHE_DIR": ".cache/numba",
}


def scratch_environ(scratch: Path, outer: Mapping[str, str], *, network: bool = False) -> dict[str, str]:
    """The variables that every process in the sandbox gets; whoever starts it adds its own.

    Args:
        scratch: Its folder: home, temporary files and caches are below it. Made here.
        outer: Variables of the starter, of which the named ones are passed on.
        network: Whether those about proxies and certificates are, too.
    """
    passed = _PASSED | _NETWORK if network else _PASSED
    home, temporary = scratch / "home", scratch / "tmp"
    for folder in (home, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        **{name: value for name, value in outer.items() if name in passed or name.startswith("LC_")},
        "GIT_CONFIG_NOSYSTEM": "1",  # git ends where it may not read the machine's settings
        "HOME": str(home),
        "TMPDIR": str(temporary),
        **{name: str(home / place) for name, place in _BELOW_HOME.items()},
    }


def certificate_paths(environ: Mapping[str, str]) -> list[Path]:
    """Files and folders of certificates that variables name."""
    named = (Path(environ[name]) for name in _CERTIFICATES if environ.get(name))
    return [path for path in named if path.is_absolute() and path.exists()]
