"""The server's routes for agents over real HTTP, with a real store behind them."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from falaj.supply_chain.artifacts import ArtifactStore, parse_digest

TOKEN = "the-token"


class ControlPlaneDouble:
    def __init__(self, store: ArtifactStore) -> None:
        self.store = store
        self.desired: dict[str, Any] = {"version": 0, "endpoints": []}
        self.statuses: dict[str, dict[str, Any]] = {}
        self.tamper: Mapping[str, bytes] = {}
        self.consistency: Callable[[int, int], Sequence[str]] = lambda _first, _second: []
        plane = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                assert self.headers["authorization"] == f"Bearer {TOKEN}"
                self._answer(plane.answer(self.path))

            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                plane.statuses = {item["endpoint"]: item for item in body["endpoints"]}
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                try:
                    self.send_response(200)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the agent was killed while it waited

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._open = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def want(self, *endpoints: dict[str, Any], rollouts: Mapping[str, Any] | None = None) -> None:
        version = self.desired["version"] + 1
        self.desired = {"version": version, "endpoints": list(endpoints), "rollouts": rollouts or {}}

    def answer(self, path: str) -> bytes:
        url = urlsplit(path)
        if url.path.endswith("/desired"):
            return self._wait(int(parse_qs(url.query)["after"][0]))
        if url.path.endswith("/log/consistency"):
            query_args = parse_qs(url.query)
            return json.dumps(
                {"proof": self.consistency(int(query_args["first"][0]), int(query_args["second"][0]))}
            ).encode()
        _, _, _, _, digest, kind, *rest = url.path.split("/", 7)
        name = "/".join(rest)
        if kind == "manifest":
            return self.store.manifest(parse_digest(digest)).encode()
        return self.tamper.get(name) or self.store.read_bytes(parse_digest(digest), name)

    def _wait(self, after: int) -> bytes:
        deadline = time.monotonic() + 2
        while self.desired["version"] == after and time.monotonic() < deadline and self._open:
            time.sleep(0.02)
        return json.dumps(self.desired).encode()

    def close(self) -> None:
        self._open = False
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
