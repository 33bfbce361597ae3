"""The client app of the demo: it calls the API, receives the callback and serves the user's own media files."""

import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import requests

from infra.local.demo import DemoError

CALL_SEC = 15.0  # a submission answers within 8 s whatever happens
DOWNLOAD_SEC = 60.0
CHUNK_BYTES = 1 << 16
CALLBACK_PATH = "/callback"
MAX_CALLBACK_BYTES = 1_000_000  # a job is a few kilobytes
SOCKET_SEC = 30.0


class JobApi:
    """A client of the API with one key; used as a `with` block, whose end closes its connections."""

    def __init__(self, api: str, key: str) -> None:
        self._api = api
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Internal-API-Key"] = key

    def __enter__(self) -> "JobApi":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def submit(self, body: dict[str, Any]) -> requests.Response:
        """Posts a job and returns the answer. Raises DemoError unless it is a 202."""
        answer = self._call("POST", f"{self._api}/v1/avatar/jobs", body)
        if answer.status_code != 202:
            raise DemoError(f"the API refused the job with {answer.status_code}: {answer.text[:1000]}")
        return answer

    def job(self, job_id: str) -> dict[str, Any]:
        """Returns the job as it is now. Raises DemoError."""
        answer = self._call("GET", f"{self._api}/v1/avatar/jobs/{job_id}")
        if answer.status_code != 200:
            raise DemoError(f"the API answered {answer.status_code} for the job: {answer.text[:1000]}")
        job: dict[str, Any] = answer.json()
        return job

    def health(self) -> dict[str, Any]:
        """Returns the answer of GET /v1/avatar/health. Raises DemoError."""
        health: dict[str, Any] = self._call("GET", f"{self._api}/v1/avatar/health").json()
        return health

    def _call(self, method: str, url: str, body: dict[str, Any] | None = None) -> requests.Response:
        try:
            return self._session.request(method, url, json=body, timeout=CALL_SEC)
        except requests.RequestException as error:
            raise DemoError(f"{method} {url} failed: {type(error).__name__}") from error


def download(url: str, target: Path) -> int:
    """Downloads the link to a file, without the API key, and returns the size in bytes. Raises DemoError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(url, stream=True, timeout=DOWNLOAD_SEC) as answer, target.open("wb") as file:
                if answer.status_code != 200:
                    raise DemoError(f"the video's link answered {answer.status_code}: {answer.text[:500]}")
                return sum(file.write(chunk) for chunk in answer.iter_content(CHUNK_BYTES))
    except requests.RequestException as error:
        raise DemoError(f"the video could not be downloaded: {type(error).__name__}") from error


def as_json(document: object) -> str:
    """Returns the document as indented JSON text."""
    return json.dumps(document, indent=2, ensure_ascii=False)


@dataclass(frozen=True)
class Callback:
    """One callback as it was received: headers and raw body, which the signature covers."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Receiver:
    """A running server for callbacks and media. origin: without a trailing slash; callbacks: in order of arrival."""

    origin: str
    callbacks: "Queue[Callback]"

    @property
    def callback_url(self) -> str:
        """The webhook_url for a job."""
        return self.origin + CALLBACK_PATH


@contextmanager
def running_receiver(files: Mapping[str, Path]) -> Iterator[Receiver]:
    """Runs a Receiver for the length of the block. files: the files that can be downloaded, by URL path (`/video`)."""
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
        """Stores a callback and answers 204; anything else is a 400."""
        length = self.headers.get("Content-Length", "")
        if self.path != CALLBACK_PATH or not length.isdigit() or int(length) > MAX_CALLBACK_BYTES:
            self.close_connection = True
            self._answer(400)
            return
        self.received.put(Callback(dict(self.headers.items()), self.rfile.read(int(length))))
        self._answer(204)

    def do_GET(self) -> None:
        """Sends one of the files, or 404."""
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
        """Writes nothing: the demo prints what matters."""
