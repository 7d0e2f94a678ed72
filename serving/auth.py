"""API keys: the endpoint keeps SHA-256 digests only and compares in constant time."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from http import HTTPStatus

from serving.schemas import RequestRefused

SCHEME = "bearer"


def new_key() -> tuple[str, str]:
    """A random API key and the digest that goes into LENDING_API_KEY_SHA256."""
    key = secrets.token_urlsafe(32)
    return key, digest(key)


def digest(key: str) -> str:
    """SHA-256 of a key in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def require_key(authorization: str | None, digests: Iterable[str]) -> None:
    """Refuse a request without a valid `Authorization: Bearer KEY` header.

    Raises:
        RequestRefused: 401; the message does not tell a wrong key from a missing one.
    """
    scheme, _, key = (authorization or "").partition(" ")
    given = digest(key.strip())
    # Every digest is compared, so that the time does not tell which one matched.
    matches = [hmac.compare_digest(given, known.lower()) for known in digests]
    if scheme.lower() != SCHEME or not any(matches):
        raise RequestRefused(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "an API key is needed: Authorization: Bearer KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )
