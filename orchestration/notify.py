"""Sending a message to an address: apprise knows some hundred kinds, such as json:// (a webhook), mailto:// and slack://.

An address holds passwords and tokens, in any of its parts. So it is never part of an error, a log line or a table: an address is known
by its place in LENDING_ALERT_URLS and its kind, and what apprise logs while it sends is dropped but for the code of an answer.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

TALKATIVE = ("apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib")  # log addresses, some of them at warning level


class NotSent(RuntimeError):
    """A message could not be sent; the message says what is known without naming the address."""


class Send(Protocol):
    """Sends one message to one address."""

    def __call__(self, address: str, title: str, body: str) -> None:
        """Send, or raise NotSent."""


def channel_name(place: int, address: str) -> str:
    """What an address is called, from its place (from 1) and its kind, such as `1:json`."""
    kind = address.partition(":")[0].lower()
    return f"{place}:{kind if re.fullmatch('[a-z]{1,20}', kind) else 'unknown'}"


def send(address: str, title: str, body: str) -> None:
    """Send one message to one address.

    Raises:
        NotSent: the address is of no known kind, or nobody took the message.
    """
    with _quiet():
        import apprise  # loads 180 plugins at the first address, 1.5 s

        channel = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
        if not channel.add(address):
            raise NotSent("the address is of no kind that apprise knows; correct LENDING_ALERT_URLS")
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
            is_sent = bool(channel.notify(title=title, body=body))
            code = re.search(r"error=(\d{3})\b", said.getvalue())
    if not is_sent:
        raise NotSent(f"answered with code {code[1]}" if code else "no answer")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the libraries say of addresses away from every log."""
    loggers = [logging.getLogger(name) for name in TALKATIVE]
    held = [(logger, logger.propagate, list(logger.handlers)) for logger in loggers]
    for logger in loggers:
        logger.propagate, logger.handlers = False, [logging.NullHandler()]
    try:
        yield
    finally:
        for logger, propagate, handlers in held:
            logger.propagate, logger.handlers = propagate, handlers
