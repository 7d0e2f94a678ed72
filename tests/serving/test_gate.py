"""The gate: who may ask, what counts as a request, and one shape for every refusal. Plain ASGI, driven by httpx."""

import asyncio
import json

import httpx
import pytest

from serving.auth import digest, new_key
from serving.gate import Gate

KEY = "a key for tests"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
ACCEPTED = (digest(KEY),)
BODY = b'{"client_ids": ["C1"]}'


def application(status=200):
    """An application that answers with the body it received, as BentoML would sit behind the gate."""

    async def app(scope, receive, send):
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body if status == 200 else b'{"error": "inner secret"}'})

    return app


def ask(method="POST", path="/score", headers=HEADERS, content=BODY, status=200, digests=ACCEPTED):
    async def call():
        transport = httpx.ASGITransport(app=Gate(application(status), lambda: digests))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, headers=headers, content=content)

    return asyncio.run(call())


def test_a_valid_request_passes_unchanged():
    answer = ask()
    assert (answer.status_code, answer.content) == (200, BODY)


@pytest.mark.parametrize(
    ("kwargs", "status", "code", "header"),
    [
        ({"headers": {"Content-Type": "application/json"}}, 401, "unauthorized", ("www-authenticate", "Bearer")),
        ({"headers": HEADERS | {"Authorization": "Bearer wrong"}}, 401, "unauthorized", ("www-authenticate", "Bearer")),
        ({"headers": HEADERS | {"Authorization": KEY}}, 401, "unauthorized", ("www-authenticate", "Bearer")),
        ({"digests": ()}, 401, "unauthorized", ("www-authenticate", "Bearer")),  # no key configured: nobody may ask
        ({"headers": HEADERS | {"Content-Type": "text/plain"}}, 415, "unsupported_media_type", None),
        ({"headers": HEADERS | {"Content-Type": "application/vnd.bentoml+pickle"}}, 415, "unsupported_media_type", None),
        ({"method": "GET", "content": b""}, 405, "method_not_allowed", ("allow", "POST")),
        ({"path": "/nowhere"}, 404, "not_found", None),
        ({"path": "/", "method": "GET"}, 404, "not_found", None),
        ({"content": b"{"}, 400, "invalid_json", None),
        ({"content": b'{"client_ids": []}'}, 422, "invalid_request", None),
        ({"content": b" " * ((1 << 20) + 1)}, 413, "too_large", None),
        ({"status": 500}, 500, "internal", None),
        ({"status": 503}, 503, "not_ready", ("retry-after", "5")),
    ],
)
def test_refusals(kwargs, status, code, header):
    answer = ask(**kwargs)
    assert answer.status_code == status
    error = json.loads(answer.content)["error"]
    assert error["code"] == code
    assert set(error) == {"code", "message", "field"}
    assert "secret" not in answer.text
    if header:
        assert answer.headers[header[0]] == header[1]


def test_a_wrong_key_is_told_before_a_wrong_body():
    assert ask(headers={}, content=b"{").status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/metrics"])
def test_health_and_metrics_need_no_key(path):
    assert ask("GET", path, headers={}).status_code == 200


def test_a_key_in_two_digests_and_upper_case_hex_is_accepted():
    assert ask(digests=(digest("another"), digest(KEY).upper())).status_code == 200


def test_a_new_key_fits_its_digest():
    key, stored = new_key()
    assert digest(key) == stored
    assert key not in stored
