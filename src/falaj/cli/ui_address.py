"""Where the web UI shows a thing, by the name that people and commands give it (pure)."""

from __future__ import annotations

import re
from urllib.parse import quote

from falaj.core.errors import UsageError

PAGES = (
    "alerts", "audit", "changes", "compare", "data", "endpoints", "lineage", "me", "models", "monitoring", "platform",
    "policy", "predictions", "privacy", "projects", "rollouts", "runs",
)  # fmt: skip
_RUN = re.compile(r"[0-9][0-9a-z]{11}")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def page_of(thing: str) -> str:
    """The path of the page about a thing.

    Args:
        thing: Id of a run, name of a model, `MODEL@NUMBER`, `ENVIRONMENT/MODEL`, `change/ID` as events name their
            subjects, a page such as `changes/ID`, or empty for the first page.

    Raises:
        UsageError: It is none of these (`ui.thing`).
    """
    if match := re.fullmatch(rf"({_NAME})@(\d+)", thing):
        return f"/models/{match[1]}/releases/{match[2]}"
    kind, _, rest = thing.strip("/").partition("/")
    page = kind if kind in PAGES else f"{kind}s"
    if page in PAGES:
        return "/".join(("", page, *map(quote, filter(None, rest.split("/")))))
    if _RUN.fullmatch(thing):
        return f"/runs/{thing}"
    if re.fullmatch(rf"{_NAME}/{_NAME}", thing):
        return f"/endpoints/{thing}"
    if re.fullmatch(rf"({_NAME})?", thing):
        return f"/models/{thing}" if thing else "/"
    raise UsageError(
        f"'{thing}' has no page in the web UI",
        hint="give a run, a model, MODEL@NUMBER, ENVIRONMENT/MODEL, or a page such as changes/ID",
        code="ui.thing",
    )
