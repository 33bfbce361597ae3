"""HTTP to URLs from outside: the host is resolved once, every address is checked, and only a checked one is used."""

import socket
from collections.abc import Callable, Sequence
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import UrlNotAllowedError
from avatar_jobs.domain.url_guard import judge_address

Resolver = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, Any], socket.socket]


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Returns the addresses of a host as text, in the system's order of preference. Raises OSError."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def system_dial(address: str, port: int, timeout: Any) -> socket.socket:
    """Connects to one numeric address; timeout in seconds. Raises OSError."""
    return socket.create_connection((address, port), timeout=timeout)


def guarded_pool(
    *, rehearsal: bool, resolver: Resolver = system_resolver, dial: Dial = system_dial
) -> urllib3.PoolManager:
    """Returns a urllib3 pool whose connections all go through the guard; TLS still verifies the URL's host name.

    rehearsal: True also allows loopback addresses; resolver, dial: arguments, so that a test can see which address is
    connected. urllib3 reads no proxy from the environment.
    """

    def connect(connection: HTTPConnection) -> socket.socket:
        host = connection.host.strip("[]")
        addresses = resolver(host, connection.port)
        if not addresses:
            raise UrlNotAllowedError(texts.URL_HOST_UNRESOLVED)
        for address in addresses:  # one forbidden address refuses the URL: it may be an attack
            judge_address(address, rehearsal=rehearsal)
        return dial(addresses[0], connection.port, connection.timeout)

    class GuardedHttpConnection(HTTPConnection):
        """A plain HTTP connection through the guard; only the rehearsal uses it."""

        def _new_conn(self) -> socket.socket:
            return connect(self)

    class GuardedHttpsConnection(HTTPSConnection):
        """A TLS connection through the guard."""

        def _new_conn(self) -> socket.socket:
            return connect(self)

    class GuardedHttpPool(HTTPConnectionPool):
        """Opens guarded connections."""

        ConnectionCls = GuardedHttpConnection

    class GuardedHttpsPool(HTTPSConnectionPool):
        """Opens guarded TLS connections."""

        ConnectionCls = GuardedHttpsConnection

    pool = urllib3.PoolManager(retries=False)
    pool.pool_classes_by_scheme = {"http": GuardedHttpPool, "https": GuardedHttpsPool}
    return pool
