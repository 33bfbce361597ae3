"""A fake GPU worker for the simulator's tests: answers /generate with what the job's input asks for.

Run as a program. input: {"status", "body" (text), "sleep_sec", "hold_file", "exit"}; a job with a hold_file ends once
that file exists. The worker is ready unless FAKE_READY_FILE is absent.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

POLL_SEC = 0.02


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """Answers the readiness probe; with FAKE_READY_FILE set it is ready while that file exists."""
        ready_file = os.environ.get("FAKE_READY_FILE")
        self._answer(200 if not ready_file or Path(ready_file).exists() else 503, b"")

    def do_POST(self) -> None:
        """Does what the input says."""
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if job.get("exit"):
            os._exit(1)
        pause = threading.Event()  # never set
        pause.wait(job.get("sleep_sec", 0))
        while "hold_file" in job and not Path(job["hold_file"]).exists():
            pause.wait(POLL_SEC)
        seen = {"path": self.path, "salad_job_id": self.headers["Salad-Job-Id"], "pid": os.getpid()}
        body = job["body"].encode() if "body" in job else json.dumps(seen | {"input": job}).encode()
        self._answer(job.get("status", 200), body + b"x" * job.get("pad", 0))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: the simulator's log is enough."""


if __name__ == "__main__":
    if os.environ.get("FAKE_ENVIRONMENT_FILE"):
        Path(os.environ["FAKE_ENVIRONMENT_FILE"]).write_text(json.dumps(dict(os.environ)))
    if os.environ.get("FAKE_EXIT_AT_START"):
        sys.exit(3)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
