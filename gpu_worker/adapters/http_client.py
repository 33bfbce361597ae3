"""An HTTP client that checks every address a name resolves to, and connects to exactly the checked one."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse, HTTPResponse

from gpu_worker.domain.url_guard import JudgedUrl, judge_address

RESOLVE_SEC = 10.0  # getaddrinfo has no time limit of its own; a resolver that is down answers after 5-30 s
WATCH_SEC = 0.2  # how often the stop condition is checked: well under the 5 s between reports, cheap for one thread
CHUNK_BYTES = 64 * 1024  # one read; small enough that time and size limits are checked often

Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], socket.socket]


class HttpFault(Exception):  # noqa: N818  a fault of the other side or of the network
    """An exchange that failed: no address, refused, timed out, cut, or not HTTP.

    certificate: the other side's certificate was refused, so that another try would fail as well.
    """

    def __init__(self, what: str, *, certificate: bool = False) -> None:
        super().__init__(what)
        self.certificate = certificate


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Returns every address of a host as text; raises OSError, TimeoutError after RESOLVE_SEC."""
    found: list[str] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(str(answer[4][0]) for answer in answers)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(RESOLVE_SEC)
    if failed:
        raise failed[0]
    if thread.is_alive():
        raise TimeoutError(f"no answer from the resolver within {RESOLVE_SEC:g} s")
    return found


def dial_address(ip: str, port: int, timeout_sec: float) -> socket.socket:
    """Opens a TCP connection to an address; raises OSError."""
    return socket.create_connection((ip, port), timeout=timeout_sec)


@dataclass(frozen=True)
class HttpClient:
    """A client for single exchanges: no redirects, no proxies, no kept connections, no retries.

    rehearsal: also allows loopback addresses; resolve, dial: how names become addresses, and addresses sockets;
    tls: the context that verifies the other side's certificate and name.
    """

    rehearsal: bool
    resolve: Resolve = resolve_name
    dial: Dial = dial_address
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    @contextmanager
    def exchange(
        self,
        method: str,
        url: JudgedUrl,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        socket_sec: float,
        stop: Callable[[], bool],
    ) -> Iterator[BaseHTTPResponse]:
        """Sends one request and yields the response with its body unread.

        socket_sec: limit for the connection and for each wait on the socket; stop: checked every WATCH_SEC, and True
        ends the exchange. Raises UrlNotAllowed when an address is refused, else HttpFault.
        """
        connection = self._connection(url, socket_sec)
        done, broken_off = threading.Event(), threading.Event()
        watcher = threading.Thread(target=_break_off, args=(connection, stop, done, broken_off), daemon=True)
        watcher.start()
        response: HTTPResponse | None = None
        try:
            response = _send(connection, method, url, headers, body)
            yield response
            if broken_off.is_set():  # a body without a length then looks complete
                raise HttpFault("broken off")
        finally:
            done.set()
            watcher.join()
            if response is not None:
                response.close()
            connection.close()

    def _connection(self, url: JudgedUrl, socket_sec: float) -> "_JudgedConnection | _JudgedTlsConnection":
        def open_judged(host: str, port: int) -> socket.socket:
            return self._open(host, port, socket_sec)

        if url.scheme == "https":
            return _JudgedTlsConnection(open_judged, url.host, url.port, socket_sec, self.tls)
        return _JudgedConnection(open_judged, url.host, url.port, socket_sec)

    def _open(self, host: str, port: int, socket_sec: float) -> socket.socket:
        """Resolves once, checks every address, then connects to the first that answers."""
        addresses = list(dict.fromkeys(self.resolve(host, port)))
        for address in addresses:
            judge_address(address, rehearsal=self.rehearsal)
        failure: OSError = OSError("the name has no address")
        for address in addresses:
            try:
                return self.dial(address, port, socket_sec)
            except OSError as error:
                failure = error
        raise failure


def read_chunks(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yields a body's bytes as they come, undecoded, a chunk at a time; raises HttpFault."""
    while True:
        try:
            chunk = response.read1(CHUNK_BYTES, decode_content=False)
        except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise HttpFault(describe(error)) from error
        if not chunk:
            return
        yield chunk


def describe(error: Exception) -> str:
    """Returns an error's kind and text, short enough for a log line."""
    return f"{type(error).__name__}: {error}"[:200]


class _JudgedConnection(HTTPConnection):
    """A plain connection that gets its socket from an opener, and keeps it so that it can be shut down."""

    def __init__(self, opener: Callable[[str, int], socket.socket], host: str, port: int, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._opener = opener
        self.opened: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        return self._opener(self.host, self.port)

    def connect(self) -> None:
        super().connect()
        self.opened = self.sock


class _JudgedTlsConnection(HTTPSConnection):
    """The same over TLS; certificate and name are verified for the URL's host, not for the address."""

    def __init__(
        self,
        opener: Callable[[str, int], socket.socket],
        host: str,
        port: int,
        timeout: float,
        context: ssl.SSLContext,
    ) -> None:
        super().__init__(host, port, timeout=timeout, ssl_context=context)
        self._opener = opener
        self.opened: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        return self._opener(self.host, self.port)

    def connect(self) -> None:
        super().connect()
        self.opened = self.sock


def _send(
    connection: _JudgedConnection | _JudgedTlsConnection,
    method: str,
    url: JudgedUrl,
    headers: Mapping[str, str],
    body: bytes | None,
) -> HTTPResponse:
    fixed = {"Host": url.authority, "Accept-Encoding": "identity", "Connection": "close"}
    try:
        connection.connect()
        connection.request(
            method, url.target, body=body, headers={**fixed, **headers}, preload_content=False, decode_content=False
        )
        return connection.getresponse()
    except (HTTPError, http.client.HTTPException, OSError) as error:
        is_certificate = isinstance(error, ssl.SSLCertVerificationError)
        raise HttpFault(describe(error), certificate=is_certificate) from error


def _break_off(connection: Any, stop: Callable[[], bool], done: threading.Event, broken_off: threading.Event) -> None:
    """Shuts the socket down as soon as stop returns True; this also ends an answer that arrives byte by byte."""
    while not done.wait(WATCH_SEC):
        if stop() and connection.opened is not None:
            broken_off.set()
            try:
                connection.opened.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the other side has closed it already
            return
