"""An HTTP client that checks every address a name resolves to, and connects to exactly the checked one."""

import http.client
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse, HTTPResponse

from gpu_worker.adapters.http_head import HeadResponse
from gpu_worker.adapters.in_time import first_result
from gpu_worker.domain.url_guard import JudgedUrl, judge_address

RESOLVE_SEC = 10.0  # getaddrinfo has no time limit of its own; a resolver that is down answers after 5-30 s
MAX_ADDRESSES = 8  # of one name that are tried; large sites announce four to eight
WATCH_SEC = 0.2  # how often the stop condition is checked: well under the 5 s between reports, cheap for one thread
CHUNK_BYTES = 64 * 1024  # one read; small enough that time and size limits are checked often

Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], socket.socket]


class FaultKind(Enum):
    """What went wrong with an exchange; whether another node may do better depends on it."""

    NETWORK = "network"  # no address, refused, timed out, reset
    CERTIFICATE = "certificate"  # the other side's certificate was refused
    TLS = "tls"  # both sides found no common way to encrypt
    NOT_HTTP = "not_http"  # what came is no HTTP answer
    ENDED_EARLY = "ended_early"  # the other side closed the connection before the announced end


class HttpFault(Exception):  # noqa: N818  a fault of the other side or of the network
    """An exchange that failed. Its text holds nothing that the other side wrote, and no URL."""

    def __init__(self, what: str, kind: FaultKind = FaultKind.NETWORK) -> None:
        super().__init__(what)
        self.kind = kind


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Returns every address of a host as text; raises OSError, UnicodeError (a label that is too long)."""
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


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
        connection = self._connection(url, socket_sec, stop)
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
            if connection.handle is not None:
                connection.handle.close()

    def _connection(
        self, url: JudgedUrl, socket_sec: float, stop: Callable[[], bool]
    ) -> "_JudgedConnection | _JudgedTlsConnection":
        def open_judged(host: str, port: int) -> socket.socket:
            return self._open(host, port, socket_sec, stop)

        if url.scheme == "https":
            return _JudgedTlsConnection(open_judged, url.host, url.port, socket_sec, self.tls)
        return _JudgedConnection(open_judged, url.host, url.port, socket_sec)

    def _open(self, host: str, port: int, socket_sec: float, stop: Callable[[], bool]) -> socket.socket:
        """Resolves once, checks every address, then connects to the first that answers."""
        look_up = partial(self.resolve, host, port)
        addresses = list(dict.fromkeys(first_result([look_up], limit_sec=RESOLVE_SEC, stop=stop)))
        for address in addresses:
            judge_address(address, rehearsal=self.rehearsal)
        if not addresses:
            raise OSError("the name has no address")
        dials = [partial(self.dial, address, port, socket_sec) for address in _alternating(addresses)[:MAX_ADDRESSES]]
        opened = first_result(dials, limit_sec=socket_sec, stop=stop, discard=socket.socket.close)
        opened.settimeout(socket_sec)
        return opened


def _alternating(addresses: Sequence[str]) -> list[str]:
    """Returns the addresses with IPv6 and IPv4 in turn: often one of the two leads nowhere."""
    first = ":" in addresses[0]
    same, other = ([ip for ip in addresses if (":" in ip) is family] for family in (first, not first))
    return [ip for pair in itertools.zip_longest(same, other) for ip in pair if ip is not None]


def read_chunks(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yields a body's bytes as they come, undecoded, a chunk at a time; raises HttpFault."""
    while True:
        try:
            chunk = response.read1(CHUNK_BYTES, decode_content=False)
        except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise translate(error) from error
        if not chunk:
            return
        yield chunk


def translate(error: Exception, *, is_connecting: bool = False) -> HttpFault:
    """Returns the fault for an exception of the libraries below. is_connecting: no request has been sent yet.

    The texts of HTTP exceptions are left out, since they quote what the server wrote, and that can be the link.
    """
    chain = [error]
    while chain[-1].__cause__ is not None and len(chain) < 5:
        chain.append(chain[-1].__cause__)  # type: ignore[arg-type]  # an exit never is the cause of these
    names = " < ".join(type(link).__name__ for link in chain)
    of_system = [link for link in chain if isinstance(link, OSError) and link.errno is not None]
    text = f"{names}: {of_system[0]}"[:200] if of_system else names
    return HttpFault(text, _kind_of(chain, is_connecting=is_connecting))


def _kind_of(chain: Sequence[BaseException], *, is_connecting: bool) -> FaultKind:
    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in chain)

    if has(ssl.SSLCertVerificationError):
        return FaultKind.CERTIFICATE
    if has(http.client.IncompleteRead):
        return FaultKind.ENDED_EARLY
    if is_connecting and has(ssl.SSLError) and not has(ssl.SSLEOFError, ssl.SSLZeroReturnError, TimeoutError):
        return FaultKind.TLS
    if has(OSError):
        return FaultKind.NETWORK
    return FaultKind.NETWORK if is_connecting else FaultKind.NOT_HTTP


class _JudgedConnection(HTTPConnection):
    """A plain connection that gets its socket from an opener. handle: a second handle of that socket, to shut it down
    from another thread whatever this one does with it."""

    response_class = HeadResponse

    def __init__(self, opener: Callable[[str, int], socket.socket], host: str, port: int, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._opener = opener
        self.handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        opened = self._opener(self.host, self.port)
        self.handle = opened.dup()
        return opened


class _JudgedTlsConnection(HTTPSConnection):
    """The same over TLS; certificate and name are verified for the URL's host, not for the address."""

    response_class = HeadResponse

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
        self.handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        opened = self._opener(self.host, self.port)
        self.handle = opened.dup()
        return opened


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
    except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise translate(error, is_connecting=True) from error
    try:
        connection.request(
            method, url.target, body=body, headers={**fixed, **headers}, preload_content=False, decode_content=False
        )
        return connection.getresponse()
    except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise translate(error) from error


def _break_off(
    connection: _JudgedConnection | _JudgedTlsConnection,
    stop: Callable[[], bool],
    done: threading.Event,
    broken_off: threading.Event,
) -> None:
    """Shuts the socket down as soon as stop returns True; this also ends an answer that arrives byte by byte."""
    while not done.wait(WATCH_SEC):
        if stop() and connection.handle is not None:
            broken_off.set()
            with suppress(OSError):  # the other side has closed it already
                connection.handle.shutdown(socket.SHUT_RDWR)
            return
