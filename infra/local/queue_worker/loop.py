"""The queue worker's loop: a stream while the instance is ready, one job at a time, each outcome sent to the queue."""

import random
import threading
from collections.abc import Callable

import grpc

from infra.local.queue_worker.execution import execute
from infra.local.queue_worker.logs import Log
from infra.local.queue_worker.metadata import InstanceNotFoundError, Metadata, MetadataError
from infra.local.queue_worker.service import Job, JobQueue, JobStream

# Salad's program waits this long before it sends an outcome again.
RETRY_SEC = 120.0
FAILURES_UNTIL_NOT_READY = 3  # in a row: requests for the status without an answer, as in Salad's program
REOPEN_SEC = 1.0  # before an outcome is sent again with a new token; Salad's program first draws from 0 to this
_REAUTHENTICATE = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
_FOR_GOOD = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.CANCELLED}
_INVALID_OUTPUT = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}


class QueueWorker:
    """The queue worker. Its caller's thread watches readiness, a second reads the stream, a third runs the job."""

    def __init__(self, metadata: Metadata, queue: JobQueue, poll_sec: float, log: Log) -> None:
        """poll_sec: seconds between two requests for the readiness."""
        self._metadata = metadata
        self._queue = queue
        self._poll_sec = poll_sec
        self._log = log
        self._stopped = threading.Event()
        self._free = threading.Event()  # no job in flight
        self._free.set()
        self._current_job_id = ""
        self._poller: _Poller | None = None

    def stop(self) -> None:
        """Makes run() return soon. A job in flight is neither completed nor rejected."""
        self._stopped.set()

    def run(self) -> None:
        """Watches the readiness until stop() is called. Raises InstanceNotFoundError when there is no instance."""
        failures = 0
        while not self._stopped.is_set():
            try:
                ready = self._metadata.is_ready()
                failures = 0
            except MetadataError as error:
                failures += 1
                self._log("error", "queue_worker_status_unknown", detail=str(error))
                ready = self._poller is not None and failures < FAILURES_UNTIL_NOT_READY
            self._turn(ready)
            self._stopped.wait(self._poll_sec)
        self._turn(False)

    def _turn(self, ready: bool) -> None:
        """Opens the stream when the instance becomes ready, closes it when it is not. A job in flight goes on."""
        if ready and self._poller is None:
            self._poller = _Poller(self._accept_jobs)
        elif not ready and self._poller is not None:
            self._poller.end()
            self._poller = None

    def _accept_jobs(self, poller: "_Poller") -> None:
        """Reads one stream after the other until the poller ends or the queue ends it finally.

        A token is used until the queue refuses it. After any other end of a stream the next one is opened at once.
        """
        refusals = 0
        while not poller.ended.is_set():
            try:
                token = self._metadata.token()
            except (MetadataError, InstanceNotFoundError) as error:
                self._log("error", "queue_worker_token_unknown", detail=str(error))
                poller.ended.wait(RETRY_SEC)
                continue
            if self._read_streams(token, poller):
                return
            poller.ended.wait(random.uniform(0, min(2.0**refusals, RETRY_SEC)))  # noqa: S311  a pause need not be unpredictable
            refusals += 1

    def _read_streams(self, token: str, poller: "_Poller") -> bool:
        """Reads streams. Returns False when the token is refused, True when no further stream may be opened.

        NOT_FOUND and CANCELLED are final: like Salad's program, it takes no job until the instance has been unready and
        is ready again.
        """
        while not poller.ended.is_set():
            try:
                stream = self._queue.accept(token, self._current_job_id)
                poller.hold(stream)
                for job in stream:
                    self._take(job, poller)
            except grpc.RpcError as error:
                code = error.code()
                self._log("info", "queue_worker_stream_ended", code=code.name, job_id=self._current_job_id)
                if code in _REAUTHENTICATE:
                    return False
                if code in _FOR_GOOD:
                    return True
        return True

    def _take(self, job: Job, poller: "_Poller") -> None:
        """Runs a job in a thread of its own, once the outcome of the previous one has been sent."""
        while not self._free.wait(timeout=1.0):
            if poller.ended.is_set():
                return
        self._free.clear()
        self._current_job_id = job.id
        threading.Thread(target=self._run_job, args=(job,), name="job", daemon=True).start()

    def _run_job(self, job: Job) -> None:
        self._log("info", "queue_worker_job_received", job_id=job.id)
        output = execute(job.port, job.path, job.id, job.input)
        is_taken = output is not None and self._tell(
            job.id, "complete", lambda token: self._queue.complete(token, job.id, output)
        )
        if not is_taken:
            self._tell(job.id, "reject", lambda token: self._queue.reject(token, job.id))
        self._current_job_id = ""
        self._free.set()

    def _tell(self, job_id: str, what: str, call: Callable[[str], None]) -> bool:
        """Sends an outcome until the queue accepts it. Returns False when the queue refuses the output itself."""
        while not self._stopped.is_set():
            pause = RETRY_SEC
            try:
                call(self._metadata.token())
            except grpc.RpcError as error:
                code = error.code()
                self._log("warn", "queue_worker_outcome_not_taken", job_id=job_id, outcome=what, code=code.name)
                if code is grpc.StatusCode.NOT_FOUND:
                    return True
                if code in _INVALID_OUTPUT:
                    return False
                pause = REOPEN_SEC if code in _REAUTHENTICATE else RETRY_SEC
            except (MetadataError, InstanceNotFoundError) as error:
                self._log("error", "queue_worker_token_unknown", detail=str(error))
            else:
                self._log("info", "queue_worker_outcome_taken", job_id=job_id, outcome=what)
                return True
            self._stopped.wait(pause)
        return True


class _Poller:
    """The thread that reads the stream while the instance is ready."""

    def __init__(self, target: Callable[["_Poller"], None]) -> None:
        self.ended = threading.Event()
        self._stream: JobStream | None = None
        self._lock = threading.Lock()
        threading.Thread(target=target, args=(self,), name="poller", daemon=True).start()

    def hold(self, stream: JobStream) -> None:
        """Stores the stream, so that end() can close it."""
        with self._lock:
            self._stream = stream
            if self.ended.is_set():
                stream.cancel()

    def end(self) -> None:
        """Closes the stream and ends the thread."""
        with self._lock:
            self.ended.set()
            if self._stream is not None:
                self._stream.cancel()
