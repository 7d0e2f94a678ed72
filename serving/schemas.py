"""The request and the errors of POST /score, checked before BentoML sees the body.

BentoML alone answers 200 to an unknown field, to text/plain and to an empty list, so the whole check is here. Every refusal has a code, a
sentence and, where there is one, the field; none repeats what the caller sent, since that may be personal.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

MAX_BODY_BYTES = 1 << 20
MAX_CLIENTS = 1000
MAX_ID_LENGTH = 200
FIELDS = ("client_ids", "reasons")


@dataclass(frozen=True)
class ScoreRequest:
    """Whom to score: 1 to 1000 client ids, in order and with duplicates, and whether to give reasons."""

    client_ids: tuple[str, ...]
    reasons: bool = True


class RequestRefused(Exception):
    """A request that is not answered with scores.

    Attributes:
        status: HTTP status.
        code: machine-readable code of the contract.
        message: what is wrong and how to mend it.
        field: the field of the body, where one is at fault.
        headers: extra response headers.
    """

    def __init__(
        self, status: HTTPStatus, code: str, message: str, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field = status, code, message, field
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": {"code": self.code, "message": self.message, "field": self.field}}


def invalid(message: str, field: str | None = None) -> RequestRefused:
    """A body that is JSON but no valid request."""
    return RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", message, field)


def parse_request(body: bytes) -> ScoreRequest:
    """Check and read a request body.

    Raises:
        RequestRefused: 413, 400 or 422, as CONTRACT of the endpoint says.
    """
    if len(body) > MAX_BODY_BYTES:
        raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise invalid("the body is nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "invalid_json", "the body is no JSON text in UTF-8") from None
    if not isinstance(value, dict):
        raise invalid('the body must be an object such as {"client_ids": ["C001"]}')
    unknown = sorted(set(value) - set(FIELDS))
    if unknown:
        raise invalid(f"there is no such field; allowed are {', '.join(FIELDS)}", unknown[0][:MAX_ID_LENGTH])
    return ScoreRequest(_client_ids(value), _reasons(value))


def _client_ids(value: dict[str, Any]) -> tuple[str, ...]:
    ids = value.get("client_ids")
    if not isinstance(ids, list) or not ids:
        raise invalid("must be a list of 1 to 1000 client ids", "client_ids")
    if len(ids) > MAX_CLIENTS:
        raise RequestRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"at most {MAX_CLIENTS} client ids a request; send several", "client_ids"
        )
    for position, one in enumerate(ids):
        if not isinstance(one, str) or not one or len(one) > MAX_ID_LENGTH:
            raise invalid(f"item {position} must be a text of 1 to {MAX_ID_LENGTH} characters", "client_ids")
        if not one.isprintable():
            raise invalid(f"item {position} holds a control character", "client_ids")
    return tuple(ids)


def _reasons(value: dict[str, Any]) -> bool:
    reasons = value.get("reasons", True)
    if not isinstance(reasons, bool):
        raise invalid("must be true or false", "reasons")
    return reasons


def _refuse_constant(name: str) -> None:
    raise invalid(f"{name} is no JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    repeated = next((key for key in keys if keys.count(key) > 1), None)
    if repeated is not None:
        raise invalid("a field is given twice", repeated[:MAX_ID_LENGTH])
    return dict(pairs)
