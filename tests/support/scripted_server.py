"""A real HTTP server on loopback that answers from a script and remembers every request; it stands for any peer."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Answer:
    """One scripted answer.

    cut: close the connection instead of answering; delay_sec: wait first; gate: wait first until it is set.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    cut: bool = False
    delay_sec: float = 0.0
    trickle_sec: float = 0.0  # between the bytes of the body
    gate: threading.Event | None = None


@dataclass(frozen=True)
class Received:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: str


class _Handler(BaseHTTPRequestHandler):
    """Remembers a request and gives the next scripted answer."""

    script: "ScriptedServer"

    def log_message(self, *args: object) -> None:
        """Keeps the test's output quiet."""

    def handle_one_request(self) -> None:
        """A client that goes away is part of many tests."""
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Received(self.command, self.path, headers, body, self.client_address[0])
        self.script.received.append(call)
        answer = self.script.answer_to(call)
        self.script.stopping.wait(answer.delay_sec)
        while answer.gate is not None and not answer.gate.wait(0.02) and not self.script.stopping.is_set():
            continue
        if answer.cut:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self._send_body(answer)

    def _send_body(self, answer: Answer) -> None:
        step = 1 if answer.trickle_sec else len(answer.body) or 1
        for start in range(0, len(answer.body), step):
            self.wfile.write(answer.body[start : start + step])
            if self.script.stopping.wait(answer.trickle_sec):
                return

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = _any  # noqa: N815  http.server finds them by name


class ScriptedServer:
    """answers: used up in order, then `default` for ever."""

    def __init__(self, default: Answer) -> None:
        self.default = default
        self.answers: deque[Answer] = deque()
        self.received: list[Received] = []
        self.stopping = threading.Event()
        handler = type("Handler", (_Handler,), {"script": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})

    def answer_to(self, call: Received) -> Answer:
        """The next answer of the script."""
        return self.answers.popleft() if self.answers else self.default

    @property
    def url(self) -> str:
        """The origin, without a trailing slash."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@contextmanager
def scripted_server(default: Answer | None = None) -> Iterator[ScriptedServer]:
    """Runs a scripted server for the block."""
    with ScriptedServer(default or Answer()) as server:
        yield server
