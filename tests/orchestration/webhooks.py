"""A webhook of this machine: a real HTTP server that keeps what it was sent, and can be down or refuse."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PASSWORD = "hunter2-never-shown"


class Webhook:
    """What arrived at a server on loopback.

    Attributes:
        received: bodies of the requests that were answered with 200.
        refused: number of requests that were answered with 503.
        code: with which it answers.
    """

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.refused = 0
        self.code = 200
        self.port = 0

    @property
    def address(self) -> str:
        """For LENDING_ALERT_URLS, with a password in it."""
        return f"json://lending:{PASSWORD}@127.0.0.1:{self.port}/hook/{PASSWORD}"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Start a webhook; it stops with the context."""
    hook = Webhook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.code == 200:
                hook.received.append(body)
            else:
                hook.refused += 1
            self.send_response(hook.code)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()
