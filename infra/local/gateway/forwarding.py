"""Forwards one buffered request to a function and returns its whole answer, with as few changes as HTTP allows."""

import http.client
from collections.abc import Iterable
from dataclasses import dataclass

from infra.local.gateway.settings import Address

MAX_ANSWER_BYTES = 32 * 1024 * 1024  # Cloud Run's limit for an HTTP/1 response that is not streamed
# RFC 9110, section 7.6.1: these are about one connection and end at each hop; so does what Connection names.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)

Headers = list[tuple[bytes, bytes]]


class UpstreamUnreachableError(Exception):
    """The function could not be reached, or the connection broke before the answer was complete."""


class UpstreamRefusedError(UpstreamUnreachableError):
    """Nothing listens at the address, so nothing was sent."""


class UpstreamTimeoutError(Exception):
    """The function did not answer in time."""


@dataclass(frozen=True)
class Message:
    """A request. target: path and query as they were sent; headers: in order, names in lower case, repeats kept."""

    method: str
    target: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True)
class Answer:
    """The function's answer."""

    status: int
    headers: Headers
    body: bytes


def forward(message: Message, address: Address, timeout_sec: float) -> Answer:
    """Sends the request once and returns the answer. timeout_sec: for the connection, and for each wait for bytes.

    Each request has a connection of its own: on loopback that is cheap, and no kept connection can be stale. Raises
    UpstreamUnreachableError and UpstreamTimeoutError.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_sec)
    try:
        connection.connect()
    except ConnectionRefusedError as error:
        raise UpstreamRefusedError(repr(error)) from error
    except TimeoutError as error:
        raise UpstreamTimeoutError(str(error)) from error
    except OSError as error:
        raise UpstreamUnreachableError(repr(error)) from error
    try:
        connection.putrequest(
            message.method, message.target.decode("latin-1"), skip_host=True, skip_accept_encoding=True
        )
        for name, value in end_to_end(message.headers):
            if name != b"content-length":
                connection.putheader(name.decode("latin-1"), value)
        if message.body or any(name == b"content-length" for name, _ in message.headers):
            connection.putheader("content-length", str(len(message.body)))
        connection.endheaders(message.body or None)
        return _read(connection.getresponse())
    except TimeoutError as error:
        raise UpstreamTimeoutError(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise UpstreamUnreachableError(repr(error)) from error
    finally:
        connection.close()


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Returns the headers without the hop-by-hop ones, names in lower case."""
    headers = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.decode("latin-1").split(",")
    }
    dropped = HOP_BY_HOP | named
    return [(name, value) for name, value in headers if name.decode("latin-1") not in dropped]


def _read(response: http.client.HTTPResponse) -> Answer:
    body = response.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise UpstreamUnreachableError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    headers = end_to_end((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.getheaders())
    return Answer(response.status, headers, body)
