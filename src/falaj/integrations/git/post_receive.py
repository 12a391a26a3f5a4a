"""The post-receive hook: tells the server that refs moved, and never makes a push wait or fail.

Run by path with any Python 3.8 or newer, standard library only. Each push is first written to the spool,
`<home>/spool/pushes/<delivery>.json`, then a detached process posts it to the server and removes it once the server
has it. Whatever is left when the server was down is read by the server when it starts.

    echo BEFORE AFTER REF | post_receive.py          the hook itself, in a repository with a `falaj.json`
    post_receive.py deliver HOME                     post what is in the spool
"""

from __future__ import annotations

import hmac
import http.client
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

DEFAULT_PORT = 8470
TIMEOUT_S = 10.0
TRY_AGAIN = (401, 403, 408, 425, 429)
ANNOUNCED = ("refs/heads/", "refs/tags/")


def main() -> int:
    """Announce what git says on standard input, or deliver the spool."""
    os.umask(0o077)
    try:
        if sys.argv[1:2] == ["deliver"]:
            deliver(Path(sys.argv[2]))
        else:
            announce()
    except Exception as error:  # the push itself succeeded; nothing here may say otherwise
        print(f"falaj: the push was not announced: {error}", file=sys.stderr)  # noqa: T201 - shown by git push
    return 0


def announce() -> None:
    """Spool one file for each ref and leave the delivery to another process."""
    settings = json.loads(Path("falaj.json").read_text(encoding="utf-8"))
    home = Path(settings["home"])
    moved = [line.rstrip("\n").split(" ", 2) for line in sys.stdin]
    pushes = [(before, after, ref) for before, after, ref in moved if ref.startswith(ANNOUNCED)]
    for before, after, ref in pushes:
        push = {"project": settings["project"], "ref": ref, "before": before, "after": after}
        spool(home, {**push, "delivery": uuid.uuid4().hex})
        print(f"falaj: {settings['project']} {ref} is now {after[:12]}", file=sys.stderr)  # noqa: T201
    if pushes:
        start_delivery(home)


def spool(home: Path, push: dict[str, str]) -> None:
    """Write a push durably before anyone is told of it."""
    folder = home / "spool" / "pushes"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = folder / f".{push['delivery']}"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(push, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(folder / f"{push['delivery']}.json")


def start_delivery(home: Path) -> None:
    """Start the delivery in a session of its own, with no pipe that git would wait for."""
    subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).absolute()), "deliver", str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def deliver(home: Path) -> None:
    """Post what is in the spool, oldest first; what the server will never take is set aside, not lost."""
    folder = home / "spool" / "pushes"
    waiting = [(path.stat().st_mtime_ns, path) for path in folder.glob("[!.]*.json")]
    for _, path in sorted(waiting):
        status = post(home, path.read_bytes())
        if 200 <= status < 300 or status == http.client.CONFLICT:
            path.unlink(missing_ok=True)
        elif 400 <= status < 500 and status not in TRY_AGAIN:
            (folder / "refused").mkdir(exist_ok=True)
            path.replace(folder / "refused" / path.name)


def post(home: Path, body: bytes) -> int:
    """Return the status that the server answers; no answer is an error, and everything stays in the spool."""
    token = (home / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", server_port(home), timeout=TIMEOUT_S)
    try:
        require_installation(connection, token)
        connection.request("POST", "/api/v1/triggers/push", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def require_installation(connection: http.client.HTTPConnection, token: str) -> None:
    """Have the server prove that it is this installation's before it is sent the token."""
    nonce = uuid.uuid4().hex
    connection.request("GET", f"/api/v1/installation?nonce={nonce}")
    answer = json.loads(connection.getresponse().read())
    expected = hmac.new(token.encode(), f"falaj-installation {nonce}".encode(), "sha256").hexdigest()
    if not hmac.compare_digest(str(answer.get("proof")), expected):
        raise OSError("another installation answers on the port of this one")


def server_port(home: Path) -> int:
    """Return the port that the server of this home listens on."""
    ports = home / "ports.json"
    return int(json.loads(ports.read_text())["server"]) if ports.exists() else DEFAULT_PORT


if __name__ == "__main__":
    sys.exit(main())
