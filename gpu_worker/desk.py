"""Lets one job run at a time: the same job joins the run in progress, another one waits for it to end."""

import threading
from collections.abc import Callable

from gpu_worker.failures import ErrorCode, JobError
from gpu_worker.runs.control import RunControl
from gpu_worker.wire import Answer, JobInput, failure_answer

LOOK_SEC = 0.5  # how often a waiting request looks whether its caller is still there

NewControl = Callable[[JobInput], RunControl]
Run = Callable[[JobInput, RunControl], Answer]


class _RunInProgress:
    def __init__(self, job: JobInput, control: RunControl) -> None:
        self.key = (job.job_id, job.attempt)
        self.control = control
        self.answer: Answer | None = None


class Desk:
    """Takes jobs from request threads and holds each until its answer is there.

    run: makes the answer, in the thread of the request that came first; new_control: starts a run's clock.
    """

    def __init__(self, run: Run, new_control: NewControl) -> None:
        self._run = run
        self._new_control = new_control
        self._changed = threading.Condition()
        self._current: _RunInProgress | None = None
        self._stopping = False

    def take(self, job: JobInput, is_caller_gone: Callable[[], bool]) -> Answer:
        """Runs the job, or joins its run, or waits for its turn; gives the answer.

        A caller that has hung up gives up its turn; a run that has begun goes on, since the next request for the same
        job joins it. After stop every request is answered 503 `worker_interrupted`.
        """
        with self._changed:
            while not self._stopping:
                current = self._current
                if current is None:
                    mine = _RunInProgress(job, self._new_control(job))
                    self._current = mine
                    break
                if current.key == (job.job_id, job.attempt):
                    return self._join(current, job, is_caller_gone)
                self._changed.wait(LOOK_SEC)
                if is_caller_gone():
                    return _interrupted(job, "The caller hung up while its job waited.")
            else:
                return _interrupted(job, "The GPU node is being stopped.")
        try:
            mine.answer = self._run(job, mine.control)
        finally:
            with self._changed:
                self._current = None
                self._changed.notify_all()
        return mine.answer

    def stop(self) -> None:
        """Takes no job any more and interrupts the run in progress."""
        with self._changed:
            self._stopping = True
            if self._current is not None:
                self._current.control.interrupt()
            self._changed.notify_all()

    def is_stopping(self) -> bool:
        """Says whether stop was called."""
        return self._stopping

    def _join(self, current: _RunInProgress, job: JobInput, is_caller_gone: Callable[[], bool]) -> Answer:
        while self._current is current:
            self._changed.wait(LOOK_SEC)
            if is_caller_gone():
                return _interrupted(job, "The caller hung up while it waited.")
        return current.answer or _interrupted(job, "The run that was joined broke down.")


def _interrupted(job: JobInput, message: str) -> Answer:
    failure = JobError(ErrorCode.WORKER_INTERRUPTED, message, stage="starting")
    return failure_answer(job.job_id, job.attempt, None, failure)
