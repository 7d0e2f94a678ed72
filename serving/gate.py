"""The gate in front of BentoML: who may ask, what counts as a request, and how every refusal looks.

It is plain ASGI. Only POST /score and BentoML's own health and metrics routes exist; anything else is 404, BentoML's start page included,
since that one loads scripts from elsewhere.
"""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from serving.auth import require_key
from serving.schemas import MAX_BODY_BYTES, RequestRefused, parse_request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCORE = "/score"
OPEN_ROUTES = ("/healthz", "/livez", "/readyz", "/metrics")
RETRY_AFTER_SECONDS = "5"

log = logging.getLogger("lending.serving")


class Gate:
    """ASGI middleware: authenticates, checks the body, and gives every error the same shape."""

    def __init__(self, app: App, digests: Callable[[], tuple[str, ...]]) -> None:
        """Wrap an application.

        Args:
            app: BentoML's application.
            digests: returns the SHA-256 digests of the accepted keys; called when the server starts, not on import.
        """
        self._app = app
        self._digests = digests()
        if not self._digests:
            log.warning("no API key is configured (LENDING_API_KEY_SHA256): every request to %s is refused", SCORE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http" or scope["path"] in OPEN_ROUTES:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._checked_body(scope, receive)
        except RequestRefused as refused:
            await _answer(send, refused)
            return
        await self._app(scope, _replay(body), _uniform_errors(send))

    async def _checked_body(self, scope: Scope, receive: Receive) -> bytes:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] != SCORE:
            raise RequestRefused(HTTPStatus.NOT_FOUND, "not_found", f"there is no such path; ask POST {SCORE}")
        if scope["method"] != "POST":
            raise RequestRefused(
                HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", f"{SCORE} answers POST only", headers={"Allow": "POST"}
            )
        require_key(headers.get("authorization"), self._digests)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise RequestRefused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "the body must be sent as Content-Type: application/json"
            )
        body = await _read(receive)
        parse_request(body)
        return body


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += message.get("body", b"")
        # What is beyond the limit is not read: parse_request refuses the length.
        if len(body) > MAX_BODY_BYTES or not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> MutableMapping[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    return receive


def _uniform_errors(send: Send) -> Send:
    """Pass answers on, and replace the body of BentoML's own errors by ours."""
    failed = False

    async def checked(message: MutableMapping[str, Any]) -> None:
        nonlocal failed
        if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
            failed = True
            await _answer(send, _refusal_of(message["status"]))
        elif not failed:
            await send(message)

    return checked


def _refusal_of(status: int) -> RequestRefused:
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.REQUEST_TIMEOUT):
        return RequestRefused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not_ready",
            "the service cannot score now: no model or features, or too many requests; /readyz and the log tell which",
            headers={"Retry-After": RETRY_AFTER_SECONDS},
        )
    return RequestRefused(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the service failed; the log has the cause")


async def _answer(send: Send, refused: RequestRefused) -> None:
    body = json.dumps(refused.body()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(refused.status), "headers": pairs})
    await send({"type": "http.response.body", "body": body})
