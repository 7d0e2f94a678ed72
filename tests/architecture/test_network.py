"""The network guard of the tests."""

import socket

import pytest

from tests.conftest import NetworkBlocked


def test_only_loopback_is_reachable():
    with socket.socket() as outside, pytest.raises(NetworkBlocked, match=r"198\.51\.100\.1"):
        outside.connect(("198.51.100.1", 80))
    with pytest.raises(NetworkBlocked, match=r"example\.com"):
        socket.getaddrinfo("example.com", 80)


def test_loopback_is_reachable():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
