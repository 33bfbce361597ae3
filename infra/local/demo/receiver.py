"""The app's side of the demo: takes the callback, and serves the user's own media files, on 127.0.0.1."""

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

CALLBACK_PATH = "/callback"
MAX_CALLBACK_BYTES = 1_000_000  # a job is a few kilobytes
SOCKET_SEC = 30.0


@dataclass(frozen=True)
class Callback:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Receiver:
    """A running receiver; origin without a trailing slash."""

    origin: str
    callbacks: "Queue[Callback]"

    @property
    def callback_url(self) -> str:
        """Where callbacks go."""
        return self.origin + CALLBACK_PATH


@contextmanager
def running_receiver(files: Mapping[str, Path]) -> Iterator[Receiver]:
    """Serves until the block ends. files: what is served for download, by URL path (with its slash)."""
    callbacks: Queue[Callback] = Queue()

    class Handler(_Handler):
        served_files = files
        received = callbacks

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="receiver", daemon=True)
    thread.start()
    try:
        yield Receiver(f"http://127.0.0.1:{server.server_address[1]}", callbacks)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_SEC
    served_files: Mapping[str, Path]
    received: "Queue[Callback]"

    def do_POST(self) -> None:
        """Takes a callback: 204."""
        length = self.headers.get("Content-Length", "")
        if self.path != CALLBACK_PATH or not length.isdigit() or int(length) > MAX_CALLBACK_BYTES:
            self.close_connection = True
            self._answer(400)
            return
        self.received.put(Callback(dict(self.headers.items()), self.rfile.read(int(length))))
        self._answer(204)

    def do_GET(self) -> None:
        """Serves one of the user's files."""
        path = self.served_files.get(self.path)
        if path is None:
            self._answer(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as file:
            shutil.copyfileobj(file, self.wfile)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stays silent: the demo tells the story itself."""
