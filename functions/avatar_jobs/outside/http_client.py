"""Sends one HTTP request with urllib3 and reads its answer, within limits of time and size.

What urllib3 and http.client leave open is closed here: each address of a host is tried in turn within the time, interim
answers (1xx) are skipped, the head of an answer is limited by its size and not by the number of its headers.
"""

import http.client
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from time import monotonic
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from avatar_jobs.domain.errors import AvatarError
from avatar_jobs.outside.timed_call import TimedCall, current_call

CONNECT_SEC = 2.0  # for one address; a living host answers in a fraction of that
UNTIMED_CONNECT_SEC = 10.0  # for all addresses, where no TimedCall says how much time is left
HEAD_BYTES = 128 * 1024  # of the heads of an answer and of its interim answers together
MAX_HEADERS = 2000  # http.client's own limit, which counts headers; HEAD_BYTES is the one that holds
READ_BYTES = 64 * 1024
KEPT_CONNECTIONS = 16  # for one host; as many callbacks or requests as run at a time in one instance

http.client._MAXHEADERS = MAX_HEADERS  # type: ignore[attr-defined]  # there is no public way; 100 by default

Resolver = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, Any], socket.socket]
Judge = Callable[[Sequence[str]], None]


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Returns the addresses of a host as text, in the system's order of preference. Raises OSError, UnicodeError."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def system_dial(address: str, port: int, timeout: Any) -> socket.socket:
    """Connects to one numeric address; timeout in seconds. Raises OSError."""
    connected = socket.create_connection((address, port), timeout=timeout)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


@dataclass(frozen=True)
class HttpAnswer:
    """An answer. headers: looked up in any case; body: not longer than asked for; is_whole: nothing is missing."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


class NoAnswerError(Exception):
    """No usable answer came. may_have_sent: False only when no byte of the request was sent."""

    def __init__(self, reason: str, *, may_have_sent: bool) -> None:
        super().__init__(reason)
        self.may_have_sent = may_have_sent


def exchange(
    pool: urllib3.PoolManager,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    limit_sec: float,
    body_limit: int,
) -> HttpAnswer:
    """Sends one request, follows no redirect, and returns the answer.

    pool: from timed_pool; limit_sec: for everything, from the name's resolution to the end of the body; body_limit: how
    many bytes of the answer's body are read, 0 for none. Raises NoAnswerError for every fault of the host, the network
    and the libraries, and what the pool's judge raises.
    """
    call: TimedCall[HttpAnswer] = TimedCall(limit_sec)

    def send() -> HttpAnswer:
        response = pool.request(
            method,
            url,
            headers=headers,
            body=body,
            timeout=urllib3.Timeout(total=limit_sec),
            redirect=False,
            retries=False,
            preload_content=False,
        )
        try:
            content, is_whole = _content(response, body_limit)
        except BaseException:
            response.close()
            raise
        if is_whole:
            response.release_conn()
        else:
            response.close()
        return HttpAnswer(response.status, response.headers, content, is_whole)

    try:
        return call.run(send)
    except AvatarError:
        raise
    except Exception as error:  # urllib3, http.client, ssl, socket, idna: none promises a closed list
        raise NoAnswerError(type(error).__name__, may_have_sent=call.may_have_sent) from error


def _content(response: urllib3.BaseHTTPResponse, limit: int) -> tuple[bytes, bool]:
    """Returns the body up to the limit, and whether that was all of it."""
    content = BytesIO()  # which gives its bytes away without a copy
    while content.tell() <= limit:
        if limit == 0 or not (chunk := response.read1(READ_BYTES, decode_content=True)):
            return content.getvalue(), limit > 0
        content.write(chunk)
    content.truncate(limit)
    return content.getvalue(), False


def timed_pool(
    *,
    resolver: Resolver = system_resolver,
    dial: Dial = system_dial,
    judge: Judge | None = None,
    ca_certs: str | None = None,
) -> urllib3.PoolManager:
    """Returns a urllib3 pool that reads no proxy from the environment; TLS verifies the URL's host name.

    resolver, dial: arguments, so that a test can see which address is connected; judge: sees all addresses of a host
    before one is connected, and raises an AvatarError against them; ca_certs: a file of certificates, None for the
    system's.
    """
    pool = urllib3.PoolManager(maxsize=KEPT_CONNECTIONS, retries=False, ca_certs=ca_certs)
    pool.pool_classes_by_scheme = pool_classes(resolver=resolver, dial=dial, judge=judge)
    return pool


def pool_classes(
    *, resolver: Resolver = system_resolver, dial: Dial = system_dial, judge: Judge | None = None
) -> dict[str, type[HTTPConnectionPool]]:
    """Returns the pool classes by scheme for a urllib3 PoolManager. See timed_pool."""

    class TimedHttpConnection(HTTPConnection):
        """A plain HTTP connection."""

        response_class = BoundedResponse

        def _new_conn(self) -> socket.socket:
            return _connected(self, resolver, dial, judge)

        def send(self, data: Any) -> None:
            _before_sending(self)
            super().send(data)

    class TimedHttpsConnection(HTTPSConnection):
        """A TLS connection."""

        response_class = BoundedResponse

        def _new_conn(self) -> socket.socket:
            return _connected(self, resolver, dial, judge)

        def send(self, data: Any) -> None:
            _before_sending(self)
            super().send(data)

    class TimedHttpPool(HTTPConnectionPool):
        """Opens plain connections."""

        ConnectionCls = TimedHttpConnection

    class TimedHttpsPool(HTTPSConnectionPool):
        """Opens TLS connections."""

        ConnectionCls = TimedHttpsConnection

    return {"http": TimedHttpPool, "https": TimedHttpsPool}


def _connected(connection: HTTPConnection, resolver: Resolver, dial: Dial, judge: Judge | None) -> socket.socket:
    """Returns a socket to the first address of the host that accepts a connection. Raises OSError."""
    call = current_call()
    ends_at = call.ends_at if call else monotonic() + UNTIMED_CONNECT_SEC
    addresses = resolver(connection.host.strip("[]"), connection.port)
    if judge:
        judge(addresses)
    fault: OSError = TimeoutError("the host has no address, or the time is over")
    for number, address in enumerate(addresses):
        left_sec = ends_at - monotonic()
        if left_sec <= 0:
            break
        try:
            connected = dial(address, connection.port, min(CONNECT_SEC, left_sec / (len(addresses) - number)))
        except OSError as error:
            fault = error
            continue
        connected.settimeout(max(0.01, ends_at - monotonic()))  # for the TLS handshake, which comes next
        if call:
            call.opens(connected)
        return connected
    raise fault


def _before_sending(connection: HTTPConnection) -> None:
    if connection.sock is None:
        connection.connect()
    call = current_call()
    if call and connection.sock is not None:
        call.sends(connection.sock)


class _BoundedHead:
    """A reader that ends an answer whose head is cut (http.client takes that for its end) or over HEAD_BYTES."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole
        self._left = HEAD_BYTES
        self._has_begun = False

    def readline(self, size: int = -1) -> bytes:
        """Reads one line of the head."""
        line: bytes = self._whole.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException("the answer's head is too long")
        if self._has_begun and not line.endswith(b"\n"):
            raise http.client.HTTPException("the answer's head is cut")
        self._has_begun = True
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


class BoundedResponse(http.client.HTTPResponse):
    """An answer with a limited head, whose interim answers are skipped; http.client skips 100 alone."""

    fp: Any

    def begin(self) -> None:
        """Reads the head."""
        whole = self.fp
        self.fp = _BoundedHead(whole)
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = whole

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 102 <= status <= 199:
                return version, status, reason
            http.client.parse_headers(self.fp)
