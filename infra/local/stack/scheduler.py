"""Stands in for Cloud Scheduler: calls the tick at a fixed period, and at once when its API is asked to run the job."""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from infra.local.json_logs import log_event

JOB = "projects/rehearsal/locations/local/jobs/tick"
RUN = re.compile(rf"/v1/{JOB}:run(\?.*)?")  # cloudscheduler.googleapis.com, projects.locations.jobs.run
CONNECT_SEC = 2.0
ATTEMPT_DEADLINE_SEC = 60.0  # a tick takes at most 50 s


class Scheduler:
    """A thread that POSTs /tick to scale_tick every period_sec seconds, one call at a time. origin: of scale_tick."""

    def __init__(self, origin: str, period_sec: float) -> None:
        self._url = f"{origin}/tick"
        self._period_sec = period_sec
        self._stopping = threading.Event()
        self._woken = threading.Event()
        # a daemon: a tick that hangs must not delay the end of the launcher
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        """Starts the calls; the first one is made at once."""
        self._thread.start()

    def run_now(self) -> None:
        """Makes the next call at once, or right after the one in progress."""
        self._woken.set()

    def stop(self) -> None:
        """Makes no further call; one in progress is not interrupted."""
        self._stopping.set()
        self._woken.set()

    def join(self, limit_sec: float) -> None:
        """Waits up to limit_sec seconds for a call that was in progress at stop()."""
        self._thread.join(limit_sec)

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            next_at = time.monotonic()
            while not self._stopping.is_set():
                self._woken.wait(max(0.0, next_at - time.monotonic()))
                self._woken.clear()
                if self._stopping.is_set():
                    return
                self._tick(session)
                # calls that were missed during a long tick are skipped
                next_at = max(next_at + self._period_sec, time.monotonic())

    def _tick(self, session: requests.Session) -> None:
        try:
            answer = session.post(self._url, timeout=(CONNECT_SEC, ATTEMPT_DEADLINE_SEC))
        except requests.RequestException as error:
            if not self._stopping.is_set():
                log_event("tick_failed", error=type(error).__name__)
            return
        if not answer.ok:
            log_event("tick_failed", status=answer.status_code)


class SchedulerApi:
    """The part of Cloud Scheduler's REST API that runs a job at once, for the one job that the rehearsal has: its tick.

    It answers from a thread of the launcher.
    """

    def __init__(self, port: int, scheduler: Scheduler) -> None:
        handler = type("Handler", (_Handler,), {"scheduler": scheduler})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="scheduler-api", daemon=True)

    def start(self) -> None:
        """Starts the server's thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the server, also one that was never started."""
        if self._thread.is_alive():  # shutdown() would wait forever for a loop that never began
            self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    scheduler: Scheduler

    def do_POST(self) -> None:
        """Runs the tick and answers 200; 404 for any other job."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_known = RUN.fullmatch(self.path) is not None
        if is_known:
            self.scheduler.run_now()
            log_event("tick_asked_for")
        body = {"name": JOB, "state": "ENABLED"} if is_known else {"error": {"code": 404, "message": "no such job"}}
        data = json.dumps(body).encode()
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Writes nothing: do_POST logs each call."""
