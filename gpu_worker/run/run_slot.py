"""The slot in which one job runs at a time: the same job joins the run in progress, another one waits for its end."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from gpu_worker.domain import messages
from gpu_worker.domain.control import RunControl
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.wire import Answer, JobInput, failure_answer

CHECK_SEC = 0.5  # how often a waiting request checks whether its caller is still connected
# How long a job on a node that was given up waits for its 503. After an immediate answer the queue would send the job
# to this node again, and use up its four tries before the readiness probe has changed and closed the stream.
HOLD_SEC = 20.0

NewControl = Callable[[JobInput], RunControl]
Run = Callable[[JobInput, RunControl], Answer]


class SlotListener(Protocol):
    """A listener for the jobs in the run slot; its methods must return at once."""

    def job_came(self) -> None:
        """Called when a job enters the run slot, where it runs or waits."""

    def job_left(self) -> None:
        """Called when a job has its answer."""


class _RunInProgress:
    def __init__(self, job: JobInput, control: RunControl) -> None:
        self.key = (job.job_id, job.attempt)
        self.control = control
        self.answer: Answer | None = None


class RunSlot:
    """The slot that request threads bring their jobs to; each waits there for its answer.

    run: makes the answer, in the thread of the request that came first; new_control: starts a run's clock;
    listener: told when jobs come and leave; is_open: False makes jobs wait until open is called.
    """

    def __init__(
        self, run: Run, new_control: NewControl, listener: SlotListener | None = None, *, is_open: bool = True
    ) -> None:
        self._run = run
        self._new_control = new_control
        self._listener = listener
        self._changed = threading.Condition()
        self._current: _RunInProgress | None = None
        self._is_open = is_open
        self._closed: str | None = None  # why no run may begin any more, None while runs may
        self._hold_sec = 0.0

    def open(self) -> None:
        """Allows runs to begin."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def take(self, job: JobInput, is_caller_gone: Callable[[], bool]) -> Answer:
        """Runs the job, or joins its run, or waits for its turn; returns the answer.

        A caller that closes its connection loses its turn. A run that has begun goes on without its caller, since the
        next request for the same job joins it. After close, requests for any job but that of the run in progress are
        answered 503 `worker_interrupted`.
        """
        if self._listener is not None:
            self._listener.job_came()
        try:
            return self._take(job, is_caller_gone)
        finally:
            if self._listener is not None:
                self._listener.job_left()

    def close(self, why: str, hold_sec: float = 0.0) -> None:
        """Allows no more runs to begin. hold_sec: how long a job that arrives waits for its 503."""
        with self._changed:
            self._closed = why
            self._hold_sec = hold_sec
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Interrupts the run in progress."""
        with self._changed:
            if self._current is not None:
                self._current.control.interrupt()

    def wait_until_idle(self, wait_sec: float) -> bool:
        """Waits up to wait_sec until no run is in progress; returns whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._current is None, wait_sec)

    def _take(self, job: JobInput, is_caller_gone: Callable[[], bool]) -> Answer:
        came = time.monotonic()
        with self._changed:
            while True:
                current = self._current
                if current is not None and current.key == (job.job_id, job.attempt):
                    return self._join(current, job, is_caller_gone)
                if self._closed is not None and time.monotonic() - came >= self._hold_sec:
                    return _interrupted(job, self._closed)
                if current is None and self._is_open and self._closed is None:
                    mine = _RunInProgress(job, self._new_control(job))
                    self._current = mine
                    break
                self._changed.wait(CHECK_SEC)
                if is_caller_gone():
                    return _interrupted(job, messages.WAITING_CALLER_LEFT)
        try:
            mine.answer = self._run(job, mine.control)
        finally:
            with self._changed:
                self._current = None
                self._changed.notify_all()
        return mine.answer

    def _join(self, current: _RunInProgress, job: JobInput, is_caller_gone: Callable[[], bool]) -> Answer:
        while self._current is current:
            self._changed.wait(CHECK_SEC)
            if is_caller_gone():
                return _interrupted(job, messages.JOINED_CALLER_LEFT)
        return current.answer or _interrupted(job, messages.JOINED_RUN_FAILED)


def _interrupted(job: JobInput, message: str) -> Answer:
    failure = JobError(ErrorCode.WORKER_INTERRUPTED, message, stage="starting")
    return failure_answer(job.job_id, job.attempt, None, failure)
