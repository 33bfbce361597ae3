"""A fake GPU worker, run as a program: each job says in its video_url's query how its worker behaves.

`?order1=malformed&order2=hold`: by number of the attempt, `honest` where none is given; `hold` waits for the answer of
`gate2=<url>`, else of audio_url; `other=<job id>`: whose id or file a false answer names; `reports=1`: it reports
as a real one does, and ignores the answers. With a storage key, the job's own or that of its environment, an honest
answer comes with an uploaded file; without one it only reports the file.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

COMMAND = f"{sys.executable} {Path(__file__)}"
WAIT_SEC = 120.0  # longer than any test holds a worker
PADDING = 10_000_000  # Salad's documentation caps an output at 10 MB; its queue worker's source at 10 MiB
OVERSIZE = 11 * 1024 * 1024
VIDEO = b"not a video, but enough for a check of size and name only"


class Job:
    """One execution of a job's input."""

    def __init__(self, job_input: Mapping[str, Any]) -> None:
        self.input = job_input
        query = parse_qs(urlsplit(job_input["video_url"]).query)
        self.orders = {name: values[0] for name, values in query.items()}
        self.order = self.orders.get(f"order{job_input['attempt']}", "honest")
        self.run_id = os.urandom(8).hex()

    def answer(self) -> bytes:
        """Does what was ordered and gives the body."""
        if "reports" in self.orders:
            self._report(0, "starting", 0.0)
        if self.order == "hold":
            call("GET", self.orders.get(f"gate{self.input['attempt']}", self.input["audio_url"]))
        answer = self._answer()
        if "reports" in self.orders:
            self._report(1, "uploading", 0.95)
        return answer

    def _answer(self) -> bytes:
        own, other = self.input["job_id"], self.orders.get("other", "0" * 32)
        match self.order:
            case "malformed":
                return b"<html>no answer of any worker of ours</html>"
            case "malformed_10_mb":
                return b"x" * PADDING
            case "oversize":
                return b"x" * OVERSIZE
            case "promise":
                return self._promise(own, own)
            case "other_job":
                return self._promise(other, other)
            case "other_file":
                return self._promise(own, other)
            case "older_attempt":
                return self._promise(own, own, attempt=self.input["attempt"] - 1)
        self._upload(own)
        padding = {"padding": "x" * (PADDING - 2000)} if self.order == "padded" else {}
        return self._promise(own, own, **padding)

    def _promise(self, job_id: str, file_of: str, **changes: Any) -> bytes:
        output = {
            "bucket": (self._storage() or {}).get("bucket", "videos"), "key": key_of(file_of), "size_bytes": len(VIDEO),
            "sha1": hashlib.sha1(VIDEO, usedforsecurity=False).hexdigest(), "duration_sec": 2.96,
            "width": 512, "height": 512, "fps": 25.0, "frames": 74,
        }  # fmt: skip
        answer = {
            "schema_version": 1, "status": "ok", "job_id": job_id, "attempt": self.input["attempt"],
            "run_id": self.run_id, "output_video_url": "https://example.com/x.mp4", "output": output, "metrics": {},
        }  # fmt: skip
        return json.dumps(answer | changes).encode()

    def _report(self, seq: int, phase: str, progress: float) -> None:
        body = {
            "schema_version": 1, "attempt": self.input["attempt"], "run_id": self.run_id, "seq": seq, "phase": phase,
            "progress": progress, "stage_times": {}, "error": None,
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {self.input['report_token']}"}
        call("POST", self.input["report_url"], json=body, headers=headers)

    def _storage(self) -> Mapping[str, str] | None:
        """The job's storage key, else the worker's own."""
        if self.input.get("upload"):
            key: Mapping[str, str] = self.input["upload"]
            return key
        names = {"endpoint": "B2_REALM", "key_id": "B2_KEY_ID", "app_key": "B2_APP_KEY", "bucket": "B2_BUCKET_NAME"}
        return {part: os.environ[name] for part, name in names.items()} if "B2_REALM" in os.environ else None

    def _upload(self, job_id: str) -> None:
        storage = self._storage()
        if storage is None:
            return
        from b2sdk.v3 import B2Api, InMemoryAccountInfo

        api = B2Api(InMemoryAccountInfo())
        api.authorize_account(storage["key_id"], storage["app_key"], realm=storage["endpoint"])
        api.get_bucket_by_name(storage["bucket"]).upload_bytes(VIDEO, key_of(job_id))


def key_of(job_id: str) -> str:
    """The key of a job's video."""
    return f"{os.environ.get('B2_PREFIX', 'musetalk/outputs/')}{job_id}.mp4"


def call(method: str, url: str, **arguments: Any) -> None:
    """Sends one request and ignores its answer."""
    with requests.Session() as session:
        session.trust_env = False
        session.request(method, url, timeout=WAIT_SEC, **arguments).close()


class Handler(BaseHTTPRequestHandler):
    """Readiness, liveness and jobs."""

    def do_GET(self) -> None:
        """Always ready."""
        self._send(b"{}")

    def do_POST(self) -> None:
        """Runs a job."""
        self._send(Job(json.loads(self.rfile.read(int(self.headers["Content-Length"])))).answer())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: the simulator's log is enough."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
