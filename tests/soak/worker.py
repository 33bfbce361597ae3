"""The worker of a soak, run as a program: each job's video_url says how it behaves, by number of the attempt.

It reports and obeys the answers as a real one does, and stores a small file with the job's own key. The orders that
are no honest work are those of plan.py.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests

COMMAND = f"{sys.executable} {Path(__file__)}"
CALL_SEC = 8.0
VIDEO = b"a video of the soak" * 50
SHA1 = hashlib.sha1(VIDEO, usedforsecurity=False).hexdigest()
WORK_SEC = {"quick": 0.0, "honest": 0.3, "no_reports": 0.3, "slow": 6.0, "hang": 600.0}
ODD_ANSWERS = {
    "malformed": b"<html>not what anybody asked for</html>",
    "deep": b'{"status": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "numbers": b'{"status": "ok", "attempt": ' + b"9" * 5000 + b', "job_id": NaN}',
}
STEP_SEC = 0.5  # between two looks whether the run may go on


class SupersededError(Exception):
    """The functions told the worker to stop."""


class Run:
    """One execution of a job's input."""

    def __init__(self, job_input: Mapping[str, Any]) -> None:
        self.input = job_input
        orders = parse_qs(urlsplit(job_input["video_url"]).query)["orders"][0].split(",")
        self.order = orders[min(int(job_input["attempt"]), len(orders)) - 1]
        self.run_id = os.urandom(8).hex()
        self.seq = 0
        self.http = requests.Session()
        self.http.trust_env = False

    def answer(self) -> tuple[int, bytes]:
        """Does what was ordered. Returns status and body."""
        try:
            return self._answer()
        except SupersededError:
            return 200, self._body("superseded")
        except (requests.RequestException, KeyError, ValueError):
            return 503, b"{}"  # another node, or a later moment, may do better
        finally:
            self.http.close()

    def _answer(self) -> tuple[int, bytes]:
        if self.order != "no_reports":
            self._report("starting", 0.0)
        if self.order in ODD_ANSWERS:
            return 200, ODD_ANSWERS[self.order]
        match self.order:
            case "crash":
                os._exit(1)
            case "refuse":
                self._report("downloading", 0.1, {"code": "gpu_fault", "message": "the GPU is gone", "stage": "x"})
                return 503, b"{}"
            case "superseded":
                return 200, self._body("superseded")
            case "no_file":
                return 200, self._promise()
            case "face_not_detected":
                error = {"code": self.order, "message": "There is no face.", "stage": "preparing", "retryable": False}
                return 200, self._body("error", error=error)
        self._work(WORK_SEC[self.order])
        if self.order != "no_reports":
            self._report("uploading", 0.95)
        self._upload()
        return 200, self._promise()

    def _work(self, seconds: float) -> None:
        until = time.monotonic() + min(seconds, float(self.input["run_timeout_seconds"]) + 30)
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, STEP_SEC))
            if self.order in {"slow", "hang"}:
                self._report("generating", 0.5)

    def _report(self, phase: str, progress: float, error: Mapping[str, str] | None = None) -> None:
        """Sends a report; one that does not arrive does not matter. Raises SupersededError when told to stop."""
        body = {
            "schema_version": 1, "attempt": self.input["attempt"], "run_id": self.run_id, "seq": self.seq,
            "phase": phase, "progress": progress, "stage_times": {}, "error": error,
        }  # fmt: skip
        self.seq += 1
        headers = {"Authorization": f"Bearer {self.input['report_token']}"}
        try:
            answer = self.http.post(self.input["report_url"], json=body, headers=headers, timeout=CALL_SEC)
            cancelled = answer.status_code == 200 and answer.json()["cancel"]
        except (requests.RequestException, ValueError, KeyError):
            return
        if cancelled:
            raise SupersededError

    def _upload(self) -> None:
        """Stores the video with the job's key over B2's native API."""
        key = self.input["upload"]
        basic = (key["key_id"], key["app_key"])
        account = self._b2(
            self.http.get(f"{key['endpoint']}/b2api/v3/b2_authorize_account", auth=basic, timeout=CALL_SEC)
        )
        token = {"Authorization": account["authorizationToken"]}
        storage = account["apiInfo"]["storageApi"]
        place = self._b2(
            self.http.post(
                f"{storage['apiUrl']}/b2api/v3/b2_get_upload_url",
                json={"bucketId": storage["bucketId"]},
                headers=token,
                timeout=CALL_SEC,
            )
        )
        headers = {
            "Authorization": place["authorizationToken"],
            "X-Bz-File-Name": quote(self._key()),
            "Content-Type": "video/mp4",
            "X-Bz-Content-Sha1": SHA1,
        }
        self._b2(self.http.post(place["uploadUrl"], data=VIDEO, headers=headers, timeout=CALL_SEC))

    def _b2(self, answer: requests.Response) -> Any:
        answer.raise_for_status()
        return answer.json()

    def _key(self) -> str:
        return f"{self.input['upload']['prefix']}{self.input['job_id']}.mp4"

    def _promise(self) -> bytes:
        output = {
            "bucket": self.input["upload"]["bucket"], "key": self._key(), "size_bytes": len(VIDEO), "sha1": SHA1,
            "duration_sec": 2.96, "width": 512, "height": 512, "fps": 25.0, "frames": 74,
        }  # fmt: skip
        return self._body("ok", output=output, output_video_url="https://example.com/x.mp4", metrics={"frames": 74})

    def _body(self, status: str, **fields: Any) -> bytes:
        own = {name: self.input[name] for name in ("job_id", "attempt")}
        return json.dumps({"schema_version": 1, "status": status, "run_id": self.run_id, **own, **fields}).encode()


class Handler(BaseHTTPRequestHandler):
    """Readiness and jobs."""

    def do_GET(self) -> None:
        """Always ready."""
        self._send(200, b"{}")

    def do_POST(self) -> None:
        """Runs a job."""
        self._send(*Run(json.loads(self.rfile.read(int(self.headers["Content-Length"])))).answer())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: the simulator's log is enough."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
