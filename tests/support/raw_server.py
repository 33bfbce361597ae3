"""A server on loopback that answers with bytes as a test says, also with bytes that no HTTP library would send."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Play = Callable[["RawServer", socket.socket], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass
class RawServer:
    """The server. play: what it does with each connection, after it has read a request; requests: as they came."""

    port: int
    play: Play
    reads: bool = True
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The origin, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, connected: socket.socket) -> None:
        """Answers on one connection until the client goes away."""
        with connected, suppress(OSError):
            if not self.reads:
                self.play(self, connected)
                return
            while (request := _request(connected)) and not self.stopping.is_set():
                self.requests.append(request)
                self.play(self, connected)


def says(*parts: bytes, keep: bool = False) -> Play:
    """Sends the parts, then closes the connection, unless it is kept for the next request."""

    def play(server: RawServer, connected: socket.socket) -> None:
        for part in parts:
            connected.sendall(part)
        if not keep:
            connected.shutdown(socket.SHUT_RDWR)

    return play


def drips(first: bytes, drop: bytes, pause_sec: float = 0.1) -> Play:
    """Sends the first part, then one drop after the other until the client goes away."""

    def play(server: RawServer, connected: socket.socket) -> None:
        connected.sendall(first)
        while not server.stopping.wait(pause_sec):
            connected.sendall(drop)

    return play


def stalls(first: bytes = b"") -> Play:
    """Sends the first part, then nothing, and keeps the connection."""

    def play(server: RawServer, connected: socket.socket) -> None:
        connected.sendall(first)
        server.stopping.wait()

    return play


def _request(connected: socket.socket) -> bytes:
    """Returns one whole request, b"" when the client has gone."""
    got = b""
    while b"\r\n\r\n" not in got:
        if not (part := connected.recv(65_536)):
            return b""
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length and (part := connected.recv(65_536)):
        body += part
    return head + b"\r\n\r\n" + body


@contextmanager
def raw_server(play: Play, *, reads: bool = True) -> Iterator[RawServer]:
    """Runs a server for the block. reads: False plays at once, without reading a request."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(listening.getsockname()[1], play, reads)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connected, _ = listening.accept()
                    server.connections += 1
                    threading.Thread(target=server.serve, args=(connected,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
