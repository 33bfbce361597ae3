"""The stop switch of a run: its deadline, cancellation by the control plane, shutdown of the worker."""

import threading
from collections.abc import Callable
from enum import StrEnum

from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError, SupersededError


class StopReason(StrEnum):
    """Why a run must stop."""

    SUPERSEDED = "superseded"
    INTERRUPTED = "interrupted"
    DEADLINE = "deadline"


class RunControl:
    """The stop switch and the deadline of one run. Safe between threads.

    clock: returns monotonic seconds; timeout_sec: the time for this run, counted from now.
    """

    def __init__(self, clock: Callable[[], float], timeout_sec: float) -> None:
        self._clock = clock
        self._own_deadline = clock() + timeout_sec
        self._deadline = self._own_deadline
        self._flag: StopReason | None = None
        self._stopped = threading.Event()

    def supersede(self) -> None:
        """Stops the run because the control plane no longer wants it."""
        self._stop(StopReason.SUPERSEDED)

    def interrupt(self) -> None:
        """Stops the run because the worker shuts down."""
        self._stop(StopReason.INTERRUPTED)

    def limit(self, remaining_sec: float) -> None:
        """Sets the seconds that are left, as the control plane says; they never extend the run's own time."""
        self._deadline = min(self._own_deadline, self._clock() + remaining_sec)

    def remaining_sec(self) -> float:
        """Returns the seconds that are left, never below 0."""
        return max(0.0, self._deadline - self._clock())

    def stop_reason(self) -> StopReason | None:
        """Returns why the run must stop now, or None while it may go on."""
        if self._flag is None and self._clock() >= self._deadline:
            return StopReason.DEADLINE
        return self._flag

    def check(self) -> None:
        """Returns while the run may go on; raises SupersededError, or JobError run_timeout or worker_interrupted."""
        reason = self.stop_reason()
        if reason is StopReason.SUPERSEDED:
            raise SupersededError
        if reason is StopReason.INTERRUPTED:
            raise JobError(ErrorCode.WORKER_INTERRUPTED, messages.INTERRUPTED)
        if reason is StopReason.DEADLINE:
            raise JobError(ErrorCode.RUN_TIMEOUT, messages.RUN_TIMEOUT)

    def pause(self, seconds: float) -> None:
        """Waits so many seconds, or until the run is stopped or out of time; raises like check."""
        self._stopped.wait(min(seconds, self.remaining_sec()))
        self.check()

    def _stop(self, reason: StopReason) -> None:
        if self._flag is None:  # the first reason counts: a superseded run stays superseded
            self._flag = reason
        self._stopped.set()
