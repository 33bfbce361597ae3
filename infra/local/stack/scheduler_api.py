"""The one call of Cloud Scheduler's REST API that the functions make: run a job now. Served by the launcher."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from infra.local.json_logs import log_event
from infra.local.stack.scheduler import Scheduler

JOB = "projects/rehearsal/locations/local/jobs/tick"
RUN = re.compile(rf"/v1/{JOB}:run(\?.*)?")  # cloudscheduler.googleapis.com, projects.locations.jobs.run


class SchedulerApi:
    """A server whose only job is the rehearsal's tick; it answers in a thread of the launcher and ends with it."""

    def __init__(self, port: int, scheduler: Scheduler) -> None:
        handler = type("Handler", (_Handler,), {"scheduler": scheduler})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="scheduler-api", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the server, begun or not."""
        if self._thread.is_alive():  # shutdown() waits for the loop's end, forever where no loop began
            self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    scheduler: Scheduler

    def do_POST(self) -> None:
        """Runs the job, or says that there is no such one."""
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
        """Says nothing: what was asked for is logged above."""
