"""What is a request to POST /score, and what each wrong one is told."""

import pytest

from serving.schemas import RequestRefused, ScoreRequest, parse_request


def test_order_duplicates_and_default_are_kept():
    assert parse_request(b'{"client_ids": ["2", "1", "2"]}') == ScoreRequest(("2", "1", "2"), reasons=True)
    assert parse_request('{"client_ids": ["Đ1"], "reasons": false}'.encode()) == ScoreRequest(("Đ1",), reasons=False)


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "invalid_json", None),
        (b"{", 400, "invalid_json", None),
        (b'{"client_ids": ["\xff"]}', 400, "invalid_json", None),  # not UTF-8
        (b"[]", 422, "invalid_request", None),
        (b"null", 422, "invalid_request", None),
        (b"{}", 422, "invalid_request", "client_ids"),
        (b'{"client_ids": []}', 422, "invalid_request", "client_ids"),
        (b'{"client_ids": "C1"}', 422, "invalid_request", "client_ids"),
        (b'{"client_ids": [1]}', 422, "invalid_request", "client_ids"),
        (b'{"client_ids": [null]}', 422, "invalid_request", "client_ids"),
        (b'{"client_ids": [""]}', 422, "invalid_request", "client_ids"),
        (b'{"client_ids": ["a\\u0000"]}', 422, "invalid_request", "client_ids"),
        (b'{"client_ids": ["C1"], "reasons": 1}', 422, "invalid_request", "reasons"),
        (b'{"client_ids": ["C1"], "reason": true}', 422, "invalid_request", "reason"),
        (b'{"client_ids": ["C1"], "client_ids": ["C2"]}', 422, "invalid_request", "client_ids"),
        (b'{"client_ids": ["C1"], "reasons": NaN}', 422, "invalid_request", None),
        (b'{"client_ids": [Infinity]}', 422, "invalid_request", None),
        (b'{"client_ids": [' + b'"C",' * 1000 + b'"C"]}', 413, "too_large", "client_ids"),
        (b'{"client_ids": ["' + b"C" * (1 << 20) + b'"]}', 413, "too_large", None),
        (b"[" * 100_000, 422, "invalid_request", None),
    ],
)
def test_refusals(body, status, code, field):
    with pytest.raises(RequestRefused) as refused:
        parse_request(body)
    assert (refused.value.status, refused.value.code, refused.value.field) == (status, code, field)
    assert set(refused.value.body()["error"]) == {"code", "message", "field"}


def test_a_thousand_clients_are_allowed():
    assert len(parse_request(b'{"client_ids": [' + b'"C",' * 999 + b'"C"]}').client_ids) == 1000


def test_a_refusal_does_not_repeat_what_was_sent():
    with pytest.raises(RequestRefused) as refused:
        parse_request(b'{"client_ids": [{"name": "Nguyen Van A"}]}')
    assert "Nguyen" not in str(refused.value.body())
