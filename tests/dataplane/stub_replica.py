"""A stand-in for the model server: answers over a Unix socket with its name, finishes open requests at SIGTERM."""

import argparse
import http.server
import json
import os
import random
import signal
import socketserver
import threading
import time
from pathlib import Path


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 1024


class Handler(http.server.BaseHTTPRequestHandler):
    wbufsize = 1 << 16  # an answer leaves in one piece, as the real model server sends it
    protocol_version = "HTTP/1.1"
    name = ""
    ready = True
    fails = 0.0
    slow_s = 0.0
    open_requests = 0
    copies = Path()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass

    def parse_request(self) -> bool:
        Handler.open_requests += 1
        return super().parse_request()

    def do_GET(self) -> None:
        if self.path == "/crash":
            os._exit(9)
        if self.path.startswith("/slow"):
            time.sleep(2.0)
        request_facts = {"request_id": self.headers.get("x-request-id"), "host": self.headers.get("host")}
        request_facts |= {"arm": self.headers.get("falaj-arm"), "unit": self.headers.get("falaj-unit")}
        request_facts |= {
            name: self.headers.get(f"{prefix}{name}") for prefix, name in (("falaj-", "caller"), ("", "authorization"))
        }
        if str(request_facts["host"]).endswith("-shadow"):
            with self.copies.open("a") as file:
                file.write(json.dumps(request_facts) + "\n")
            if self.path.startswith("/hang"):
                while not Path(f"{self.copies}.go").exists():
                    time.sleep(0.05)
        if self.path == "/v2":
            time.sleep(self.slow_s)
            if random.random() < self.fails:
                self.answer(500, request_facts)
                return
        healthy = self.ready or not self.path.startswith("/v2/health")
        self.answer(
            200 if healthy else 503, {"name": self.name, "path": self.path, "pid": os.getpid(), **request_facts}
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.answer(200, {"name": self.name, "bytes": len(body), "request_id": self.headers.get("x-request-id")})

    def answer(self, status: int, value: dict[str, object]) -> None:
        body = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
        finally:
            Handler.open_requests -= 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--crash", action="store_true")
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--fails", type=float, default=0.0, help="share of the requests that it answers with 500")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="how long each answer takes longer")
    options = parser.parse_args()
    if options.crash:
        raise SystemExit("ValueError: the model cannot be loaded")
    Handler.name, Handler.ready = options.name, not options.never_ready
    Handler.fails, Handler.slow_s = options.fails, options.slow_ms / 1000
    Handler.copies = Path(f"{options.socket}.copies")
    Path(options.socket).unlink(missing_ok=True)
    server = Server(options.socket, Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    server.socket.close()
    while Handler.open_requests:
        time.sleep(0.01)
    os._exit(0)


if __name__ == "__main__":
    main()
