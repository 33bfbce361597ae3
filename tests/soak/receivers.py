"""The apps' receivers of callbacks: one server, whose path says with which manners it answers."""

import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG_SEC = 60.0  # longer than any try
DRIP_SEC = 1.0
SLOW_SEC = 1.0  # a first try has 5 s, and the rehearsal's short ticks leave a later one little more
NINES = "9" * 400


@dataclass(frozen=True)
class Delivery:
    """One callback, as it came `at` seconds since 1970. headers: names in lower case; is_accepted: answered 2xx."""

    headers: dict[str, str]
    body: bytes
    is_accepted: bool
    at: float


class Receivers:
    """What came, by number of the job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: dict[int, list[Delivery]] = defaultdict(list)
        self._tries: dict[int, int] = defaultdict(int)
        self.stopping = threading.Event()
        self.port = 0

    def url(self, manner: str, number: int) -> str:
        """Returns the webhook_url for a job."""
        return f"http://127.0.0.1:{self.port}/{manner}/{number}"

    def received(self, number: int) -> list[Delivery]:
        """Returns the callbacks of one job so far."""
        with self._lock:
            return list(self._received[number])

    def add(self, number: int, delivery: Delivery) -> None:
        """Stores one callback."""
        with self._lock:
            self._received[number].append(delivery)

    def count_try(self, number: int) -> int:
        """Counts a try and returns which it is, from 1."""
        with self._lock:
            self._tries[number] += 1
            return self._tries[number]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30.0
    receivers: Receivers

    def do_POST(self) -> None:
        """Stores the callback and answers with the manners of the path."""
        _, manner, number = self.path.split("/")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        attempt = self.receivers.count_try(int(number))
        self.close_connection = True
        good = manner in {"good", "slow", "interim", "many_headers"} or (manner == "once_500" and attempt > 1)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receivers.add(int(number), Delivery(headers, body, good, time.time()))
        if good:
            self._answer_well(manner)
        else:
            self._answer_badly(manner)

    def _answer_well(self, manner: str) -> None:
        if manner == "slow":
            self.receivers.stopping.wait(SLOW_SEC)
        if manner == "interim":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        extra = [(f"X-Header-{number}", "v") for number in range(120 if manner == "many_headers" else 0)]
        self._answer(204, *extra)

    def _answer_badly(self, manner: str) -> None:
        match manner:
            case "status_500" | "once_500":
                self._answer(500)
            case "status_410":
                self._answer(410)
            case "redirect":
                self._answer(302, ("Location", self.receivers.url("good", 10**9)))
            case "retry_after_long":
                self._answer(503, ("Retry-After", NINES))
            case "retry_after_words":
                self._answer(429, ("Retry-After", "Wed, 99 Foo 99999 25:61:61 GMT"))
            case "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
            case "hang":
                self.receivers.stopping.wait(HANG_SEC)
            case "drip":
                until = time.monotonic() + HANG_SEC
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while time.monotonic() < until and not self.receivers.stopping.wait(DRIP_SEC):
                    self.wfile.write(b"x")

    def _answer(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle_one_request(self) -> None:
        """A function that was killed in the middle of a callback is part of the plan."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def running_receivers() -> Iterator[Receivers]:
    """Runs the server for the length of the block."""
    receivers = Receivers()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"receivers": receivers}))
    server.daemon_threads = True
    receivers.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, name="receivers", daemon=True)
    thread.start()
    try:
        yield receivers
    finally:
        receivers.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
